//! `countersign console`: a link into the pages for operators.

use clap::Args;
use countersign_server::api::{ConsoleLink, routes};
use serde::Serialize;

use crate::commands::block_on;
use crate::failure::Failure;
use crate::operator::OperatorArgs;
use crate::output::{Output, note};

const AFTER_HELP: &str = "\
Examples:
  countersign console
  countersign console --server https://auth.example:8081 --as ada --identity ada.key

The link is good once, for a minute. Who opens it must still press the button that signs in.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ConsoleArgs {
    #[command(flatten)]
    operator: OperatorArgs,
}

/// What a script gets.
#[derive(Serialize)]
struct Link {
    url: String,
    expires_at: jiff::Timestamp,
}

pub(crate) fn run(args: &ConsoleArgs, output: Output) -> Result<(), Failure> {
    let link = block_on(async {
        let api = args.operator.connect().await?;
        let link: ConsoleLink = api.act(routes::CONSOLE_LINKS).await?;
        Ok(Link { url: api.url_of(&link.path)?.into(), expires_at: link.expires_at })
    })?;
    note("Open this in a browser within a minute; it is good once:");
    output.show(&link, |link| link.url.clone())
}

//! `countersign header`: an Authorization header for some other program to send.

use clap::Args;
use serde::Serialize;

use crate::caller::CallerArgs;
use crate::failure::Failure;
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  countersign header --account robot --key robot.key
  curl -H \"$(countersign header --account robot --key robot.key)\" https://api.example/

The header is good for one request, and for some seconds only.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct HeaderArgs {
    #[command(flatten)]
    caller: CallerArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Header {
    authorization: String,
}

pub(crate) fn run(args: &HeaderArgs, output: Output) -> Result<(), Failure> {
    let value = args.caller.authorization()?;
    let authorization = value.to_str().map_err(Failure::refused)?.to_owned();
    output.show(&Header { authorization }, |header| {
        format!("Authorization: {}", header.authorization)
    })
}

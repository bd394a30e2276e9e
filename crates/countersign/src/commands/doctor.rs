//! `countersign doctor`: what is wrong with an installation, and what to do about it.

#![expect(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

mod data;
mod finding;
mod gateway;
mod server;

use clap::Args;

use crate::commands::block_on;
use crate::config::Span;
use crate::failure::{Exit, Failure};
use crate::operator::OperatorArgs;
use crate::output::Output;
use finding::{Diagnosis, Severity};
use gateway::GatewayArgs;

const AFTER_HELP: &str = "\
Examples:
  countersign doctor
  countersign doctor --server https://auth.example:8081 --as ada --identity ada.key
  countersign doctor --gateway https://api.example/whoami --account robot --key robot.key

It changes nothing. A line says ok, warn or fail, what was found, and what to do about it.
The exit code is 0 unless a line says fail.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DoctorArgs {
    /// What the server's signing_key_lifetime is.
    #[arg(long, value_name = "SPAN", default_value = "90d")]
    signing_key_lifetime: Span,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

pub(crate) fn run(args: &DoctorArgs, output: Output) -> Result<(), Failure> {
    let diagnosis = block_on(async {
        let mut diagnosis = Diagnosis::default();
        if let Some(paths) = args.operator.data_on_this_machine()? {
            data::look(&paths, &mut diagnosis);
        }
        server::look(&args.operator, args.signing_key_lifetime.0, &mut diagnosis).await;
        gateway::look(&args.gateway, &mut diagnosis).await?;
        Ok(diagnosis)
    })?;
    output.show(&diagnosis, ToString::to_string)?;
    if diagnosis.worst() == Severity::Fail {
        return Err(Failure::shown(Exit::Refused));
    }
    Ok(())
}

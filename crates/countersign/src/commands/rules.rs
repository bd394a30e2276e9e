//! `countersign rules`: what gateways let through, looked at without a server.

mod check;
mod explain;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Subcommand, Debug)]
pub(crate) enum RulesCommand {
    /// Check a file with rules, and show them.
    Check(check::CheckArgs),
    /// Say which rule decides on a request, and who may make it.
    Explain(explain::ExplainArgs),
}

pub(crate) fn run(command: &RulesCommand, output: Output) -> Result<(), Failure> {
    match command {
        RulesCommand::Check(args) => check::run(args, output),
        RulesCommand::Explain(args) => explain::run(args, output),
    }
}

//! `countersign admin`: the way back in.

mod recover;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Subcommand, Debug)]
pub(crate) enum AdminCommand {
    /// Make an administrator on the machine that holds the database.
    Recover(recover::RecoverArgs),
}

pub(crate) fn run(command: AdminCommand, output: Output) -> Result<(), Failure> {
    match command {
        AdminCommand::Recover(args) => recover::run(&args, output),
    }
}

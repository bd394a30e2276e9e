//! `countersign token`: looking into tokens.

mod inspect;
mod revoke;
mod text;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Subcommand, Debug)]
pub(crate) enum TokenCommand {
    /// Show what a token says. Nothing is verified.
    Inspect(inspect::InspectArgs),
    /// Check a token's signature and time against a public key.
    Verify(verify::VerifyArgs),
    /// Refuse an access token from now on, or all of an account.
    Revoke(revoke::RevokeArgs),
}

pub(crate) fn run(command: TokenCommand, output: Output) -> Result<(), Failure> {
    match command {
        TokenCommand::Inspect(args) => inspect::run(&args, output),
        TokenCommand::Verify(args) => verify::run(&args, output),
        TokenCommand::Revoke(args) => revoke::run(&args, output),
    }
}

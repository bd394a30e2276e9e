//! `countersign key`: key files on this machine, and the keys of accounts.

mod convert;
mod generate;
mod registered;
mod show;
pub(crate) mod validity;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Subcommand, Debug)]
pub(crate) enum KeyCommand {
    /// Make a key pair: FILE (private, mode 0600) and FILE.pub.
    Generate(generate::GenerateArgs),
    /// Show what a key file holds: type, size and fingerprints.
    Show(show::ShowArgs),
    /// Write a key in another format to stdout.
    Convert(convert::ConvertArgs),
    /// Register a public key for an account.
    Add(registered::AddArgs),
    /// List an account's keys.
    List(registered::ListArgs),
    /// Set, move or clear the instant from which on a key is refused.
    Expire(registered::ExpireArgs),
    /// Withdraw a key, for good and from the next request on.
    Revoke(registered::RevokeArgs),
}

pub(crate) fn run(command: KeyCommand, output: Output) -> Result<(), Failure> {
    match command {
        KeyCommand::Generate(args) => generate::run(&args, output),
        KeyCommand::Show(args) => show::run(&args, output),
        KeyCommand::Convert(args) => convert::run(&args),
        KeyCommand::Add(args) => registered::add(args, output),
        KeyCommand::List(args) => registered::list(&args, output),
        KeyCommand::Expire(args) => registered::expire(&args, output),
        KeyCommand::Revoke(args) => registered::revoke(&args, output),
    }
}

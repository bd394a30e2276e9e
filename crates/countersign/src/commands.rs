//! One file per command.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod api_key;
pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod console;
pub(crate) mod doctor;
pub(crate) mod encryption_key;
pub(crate) mod header;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod jwks;
pub(crate) mod key;
pub(crate) mod man;
pub(crate) mod request;
pub(crate) mod rules;
pub(crate) mod serve;
pub(crate) mod signing_key;
pub(crate) mod token;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

/// Runs what was asked for.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let output = cli.output;
    match cli.command {
        Command::Serve(args) => serve::run(*args),
        Command::Health(args) => health::run(&args, output),
        Command::Doctor(args) => doctor::run(&args, output),
        Command::Account(command) => account::run(command, output),
        Command::Key(command) => key::run(command, output),
        Command::ApiKey(command) => api_key::run(command, output),
        Command::SigningKey(command) => signing_key::run(command, output),
        Command::EncryptionKey(command) => encryption_key::run(command, output),
        Command::Jwks(command) => jwks::run(command, output),
        Command::Audit(command) => audit::run(command, output),
        Command::Console(args) => console::run(&args, output),
        Command::Admin(command) => admin::run(command, output),
        Command::Import(command) => import::run(&command, output),
        Command::Header(args) => header::run(&args, output),
        Command::Request(args) => request::run(args),
        Command::Token(command) => token::run(command, output),
        Command::Rules(command) => rules::run(&command, output),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Runs a command's conversation with a server on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::refused)?
        .block_on(work)
}

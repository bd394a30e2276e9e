//! `countersign`: the server and its command line.
//!
//! The way of a command: `main` reads the command line ([`cli`]), hands it to
//! its file in [`commands`], and turns what comes back into an exit code
//! ([`failure`]). The way of `serve`: settings ([`config`]), data directory,
//! store, first start, then the listeners, until a signal asks it to stop.

mod caller;
mod cli;
mod commands;
mod config;
mod data_directory;
mod databases;
mod encryption_key;
mod failure;
mod files;
mod key_file;
mod listener;
mod logging;
mod operator;
mod output;
mod passphrase;
mod rules_file;
mod service_manager;
mod shutdown;
mod tls;
mod traces;

use std::process::ExitCode;

use clap::Parser;

/// Reading a million accounts leaves the system's allocator with scattered free
/// blocks, through which every later request pays; this one keeps its speed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

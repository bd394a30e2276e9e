//! Everything the repository does to itself.
//!
//! `cargo xtask test` is the one command a contributor needs; the others are its
//! parts and what continuous integration adds.

#![expect(clippy::print_stdout, reason = "a command line tool talks on standard output")]

mod bench;
mod check;
mod fuzz;
mod package;
mod postgres;
mod run;
mod test;
mod tools;
mod torture;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Work on the Countersign repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every test, fetching the tools they drive.
    Test {
        /// Given to `cargo test` in place of `--workspace`, for example `-p interop`.
        #[arg(last = true)]
        cargo_arguments: Vec<String>,
    },
    /// Check what no test can: dependencies, words and files.
    Check,
    /// Fetch the tools that tests drive, and print where they are.
    Tools,
    /// Make the Debian package.
    Package(package::PackageArguments),
    /// Start the PostgreSQL of the tests and print where it is, until Ctrl-C.
    Postgres,
    /// Build every fuzz target and run each one briefly.
    FuzzSmoke {
        /// How many inputs each target tries.
        #[arg(long, default_value_t = 20_000)]
        runs: u32,
    },
    /// Run one benchmark, or all of them, in release mode.
    Bench {
        /// The benchmark's name; all of them if it is left out.
        name: Option<String>,
        /// Only its comparisons whose names contain this, for example `RS256`.
        comparisons: Option<String>,
    },
    /// Send each token to several replicas at once, break things meanwhile, and count
    /// acceptances.
    #[command(disable_help_flag = true)]
    Torture {
        /// Those of the tool; `--help` tells which.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test { cargo_arguments } => test::run(&cargo_arguments),
        Task::Check => check::run(),
        Task::Tools => tools::run(),
        Task::Package(arguments) => package::run(&arguments),
        Task::Postgres => postgres::run(),
        Task::FuzzSmoke { runs } => fuzz::smoke(runs),
        Task::Bench { name, comparisons } => bench::run(name.as_deref(), comparisons.as_deref()),
        Task::Torture { arguments } => torture::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

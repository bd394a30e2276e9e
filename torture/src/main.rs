//! `cargo xtask torture`: one run, as long as one likes.

#![expect(clippy::print_stdout, reason = "a command line tool talks on standard output")]

use std::process::ExitCode;

use clap::Parser;
use countersign_torture::{Plan, torture};

/// Send each token to several replicas at once, break things meanwhile, and count acceptances.
#[derive(Parser)]
#[command(name = "cargo xtask torture", bin_name = "cargo xtask torture")]
struct Arguments {
    #[command(flatten)]
    plan: Plan,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments { plan } = Arguments::parse();
    println!("{plan:?}");
    let verdict = torture(&plan).await?;
    println!("{verdict}");
    Ok(if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

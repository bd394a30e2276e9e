//! `cargo xtask torture`: one run, as long as one likes.

#![expect(clippy::print_stdout, reason = "a command line tool talks on standard output")]

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use countersign_torture::revocation::{RevocationPlan, Trouble, revocation};
use countersign_torture::{Plan, Simulation, simulate, torture};
use tokio::runtime::Runtime;

/// Send each token to several replicas at once, break things meanwhile, and count acceptances.
#[derive(Parser)]
#[command(
    name = "cargo xtask torture",
    bin_name = "cargo xtask torture",
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    instead: Option<Instead>,
    #[command(flatten)]
    plan: Plan,
}

#[derive(Subcommand)]
enum Instead {
    /// Do the same in a simulation, where all that happens follows from the seed.
    Simulate(Simulations),
    /// Revoke one credential after the other under load, and measure how long any replica
    /// still accepts it.
    Revocation(Revocations),
}

#[derive(Args)]
struct Simulations {
    #[command(flatten)]
    first: Simulation,
    /// How many runs to make, each from the next seed.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Print all that happened, too.
    #[arg(long)]
    events: bool,
}

#[derive(Args)]
struct Revocations {
    /// How many revocations, one after the other.
    #[arg(long = "revocations", default_value_t = 200)]
    count: usize,
    /// What stands in the way of the news; one run for each.
    #[arg(long, value_enum, default_values = ["none", "cut-listeners"])]
    trouble: Vec<Trouble>,
    /// What is revoked each time follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<ExitCode> {
    let Arguments { instead, plan } = Arguments::parse();
    let holds = match instead {
        Some(Instead::Simulate(simulations)) => simulate_all(&simulations)?,
        Some(Instead::Revocation(revocations)) => {
            Runtime::new()?.block_on(revoke_all(&revocations))?
        }
        None => {
            println!("{plan:?}");
            let verdict = Runtime::new()?.block_on(torture(&plan))?;
            println!("{verdict}");
            verdict.holds()
        }
    };
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the promises were kept in all runs.
fn simulate_all(Simulations { first, runs, events }: &Simulations) -> Result<bool> {
    let mut holds = true;
    for seed in first.seed..first.seed.saturating_add(*runs) {
        let simulated = simulate(&Simulation { seed, ..first.clone() })?;
        println!("{simulated}");
        if *events {
            println!("{}", simulated.events.join("\n"));
        }
        holds &= simulated.verdict.holds();
    }
    Ok(holds)
}

/// Whether every replica obeyed within the bound, whatever the trouble.
async fn revoke_all(Revocations { count, trouble, seed }: &Revocations) -> Result<bool> {
    let mut holds = true;
    for &trouble in trouble {
        let plan = RevocationPlan { trouble, revocations: *count, seed: *seed };
        println!("{plan:?}");
        let measured = revocation(&plan).await?;
        println!("{measured}");
        holds &= measured.late().is_empty();
    }
    Ok(holds)
}

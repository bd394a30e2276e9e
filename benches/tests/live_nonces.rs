//! What the benchmark of this name does with a million, with fewer: each guard holds all while
//! they live, and none when they have expired.

use std::time::Duration;

use anyhow::{Result, ensure};
use countersign_benches::live_nonces::{Holder, Plan, measure};

const NONCES: usize = 20_000;

#[expect(clippy::print_stdout, reason = "what was measured is for whoever runs the test")]
async fn all_and_then_none(holder: Holder, clock_runs: u32) -> Result<()> {
    let plan = Plan { holder, nonces: NONCES, tolerance: Duration::from_secs(15), clock_runs };
    let measured = measure(plan).await?;
    println!("{plan:?}\n{measured:?}");
    ensure!(measured.held == NONCES as u64, "{measured:?}");
    let (left, came_since) = measured.left;
    ensure!(left <= came_since, "{measured:?}");
    let has_engine = matches!(holder, Holder::Postgres | Holder::Redis);
    ensure!((measured.filled_for > Duration::ZERO) == has_engine, "{measured:?}");
    ensure!(measured.expiring.requests > 0 && measured.process[1] > 0, "{measured:?}");
    Ok(())
}

#[tokio::test]
async fn in_memory() -> Result<()> {
    all_and_then_none(Holder::Memory, 1).await
}

#[tokio::test]
async fn on_sqlite() -> Result<()> {
    all_and_then_none(Holder::Durable, 1).await
}

/// Its buckets are emptied when their turn comes again, which takes two minutes of the clock.
#[tokio::test]
async fn on_postgres() -> Result<()> {
    all_and_then_none(Holder::Postgres, 4).await
}

#[tokio::test]
async fn in_redis() -> Result<()> {
    all_and_then_none(Holder::Redis, 1).await
}

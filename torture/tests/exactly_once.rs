//! Ten thousand tokens and twenty faults on each engine; and that the torture finds a guard
//! which forgets.

use std::io::Write as _;

use anyhow::{Result, ensure};
use countersign_torture::{Engine, Partitions, Plan, Verdict, torture};

/// What a server can meet, and what meets the engine that servers share.
const OF_SERVERS: [&str; 4] = ["Pause", "Cut", "ClockStep", "Slow"];
const OF_ENGINES: [&str; 3] = ["KillEngine", "PauseEngine", "Partition"];

async fn exactly_once(engine: Engine, seed: u64) -> Result<Verdict> {
    let plan = Plan { engine, tokens: 10_000, faults: 20, seed, kill_all: false };
    let verdict = torture(&plan).await?;
    // Not held back by the test harness: seed and counts are for whoever reads the run.
    writeln!(std::io::stdout(), "{plan:?}\n{verdict}")?;
    ensure!(verdict.holds(), "{plan:?}\n{verdict}");
    ensure!(OF_SERVERS.iter().all(|kind| verdict.kinds.contains_key(*kind)), "{verdict}");
    ensure!(verdict.tokens == 10_000 && verdict.faults == 20, "{verdict}");
    // Or it would say little about either promise.
    ensure!(verdict.met_a_fault > 100 && verdict.accepted > 2_000, "{verdict}");
    Ok(verdict)
}

/// The same, where servers can be cut from what they share.
async fn exactly_once_in_parts(engine: Engine, seed: u64) -> Result<()> {
    let verdict = exactly_once(engine, seed).await?;
    ensure!(OF_ENGINES.iter().all(|kind| verdict.kinds.contains_key(*kind)), "{verdict}");
    ensure!(verdict.kinds.contains_key("Kill"), "{verdict}");
    let Partitions { attempts, accepted_elsewhere, access_tokens, .. } = verdict.partitions;
    ensure!(attempts > 100 && accepted_elsewhere > 50 && access_tokens > 0, "{verdict}");
    Ok(())
}

#[tokio::test]
async fn in_memory() -> Result<()> {
    exactly_once(Engine::Memory, 1).await.map(drop)
}

#[tokio::test]
async fn on_sqlite() -> Result<()> {
    exactly_once(Engine::Sqlite, 2).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() -> Result<()> {
    exactly_once_in_parts(Engine::Postgres, 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_redis() -> Result<()> {
    exactly_once_in_parts(Engine::Redis, 4).await
}

#[tokio::test]
async fn a_guard_that_forgets_is_found() -> Result<()> {
    let plan = Plan { engine: Engine::Memory, tokens: 2_000, faults: 8, seed: 1, kill_all: true };
    let verdict = torture(&plan).await?;
    ensure!(!verdict.accepted_more_than_once.is_empty(), "{verdict}");
    Ok(())
}

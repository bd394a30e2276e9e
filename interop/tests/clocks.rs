//! The binary that a user runs, with a clock that is not everybody's.

use std::time::Duration;

use anyhow::{Context as _, Result};
use countersign_core::KeyKind;
use countersign_testbed::fresh_database;
use interop::{Caller, Countersign, Request, SteppedClock};
use serde_json::Value;

/// Further than a server's clock may be from the database's before it says so.
const APART: i64 = 4;
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

async fn text(server: &Countersign, path: &str) -> Result<(u16, String)> {
    let answer = Request::get(path).send(server.internal_url()).await?;
    Ok((answer.status, answer.body))
}

async fn until(what: &'static str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let waiting = async {
        while !holds().await? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, waiting).await.context(what)?
}

async fn ahead(server: &Countersign) -> Result<f64> {
    let (_, metrics) = text(server, "/metrics").await?;
    let name = "countersign_clock_ahead_seconds{reference=\"database\"} ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    Ok(value.context("no such metric")?.parse()?)
}

#[tokio::test]
async fn a_server_says_when_its_clock_is_not_the_databases_and_takes_nothing_twice() -> Result<()> {
    let database = fresh_database().await?;
    let options = ["--replay-guard=database", "--tolerance=20s"];
    let server =
        Countersign::start_on_postgres_with_clock(SteppedClock::new()?, database.url(), &options)
            .await?;
    let clock = server.clock().context("a clock")?;
    let ready = async || text(&server, "/health/ready").await;
    let is = async |said: &str| Ok(ready().await? == (200, format!("{said}\n")));
    until("the clocks to be compared", async || Ok(ahead(&server).await.is_ok())).await?;
    assert!(ahead(&server).await?.abs() < 2.0);

    let caller = Caller::new("robot", KeyKind::Ed25519)?;
    until("operators to be let in", async || Ok(server.run(&["account", "list"]).is_ok())).await?;
    until("all to be well", async || is("ready").await).await?;
    server.account(caller.account(), &[caller.public_key()])?;
    let token = caller.authorization()?;
    assert_eq!(server.asks(&token).await?.0, 200);
    for seconds in [APART, -APART] {
        clock.step(seconds)?;
        until("the difference to be said", async || is("ready, but not all is well: clock").await)
            .await?;
        let difference = ahead(&server).await?;
        let expected = f64::from(i32::try_from(seconds)?);
        assert!((difference - expected).abs() < 1.5, "{difference} instead of {seconds}");
        assert_ne!(server.asks(&token).await?.0, 200, "used before the step");
        assert_eq!(server.asks(&caller.authorization()?).await?.0, 200, "{seconds} s are nothing");
        clock.step(0)?;
        until("all to be well", async || is("ready").await).await?;
        assert_ne!(server.asks(&token).await?.0, 200, "used before the step");
    }
    let log = server.log();
    let lines = |said: &str| log.lines().filter(|line| line.contains(said)).count();
    assert_eq!(lines("ahead of the clock of the database"), 1, "{log}");
    assert_eq!(lines("behind the clock of the database"), 1, "{log}");
    assert_eq!(lines("is in step again"), 2, "{log}");
    assert_eq!(lines("panicked"), 0, "{log}");
    Ok(())
}

/// Further than a shared guard goes along with.
const TOO_FAR: i64 = 7;

#[tokio::test]
async fn doctor_says_which_clock_keeps_everybody_out() -> Result<()> {
    let database = fresh_database().await?;
    let options = ["--replay-guard=database", "--tolerance=20s"];
    let server =
        Countersign::start_on_postgres_with_clock(SteppedClock::new()?, database.url(), &options)
            .await?;
    until("operators to be let in", async || Ok(server.run(&["account", "list"]).is_ok())).await?;
    server.clock().context("a clock")?.step(-TOO_FAR)?;
    let doctor = || -> Result<Value> {
        // It fails, and says so by its exit code.
        let said = server.output(&["-o", "json", "doctor"])?;
        Ok(serde_json::from_slice(&said.stdout)?)
    };
    let find = |said: &Value, check: &str| {
        let mut checks = said["checks"].as_array().into_iter().flatten();
        checks.find(|finding| finding["check"] == check).cloned().unwrap_or_default()
    };
    until("signed requests to be refused", async || {
        let said = doctor()?;
        let is = |check| find(&said, check)["severity"] == "fail";
        // The date in the answers follows when the clock has caught up with its last one.
        Ok(["shared clocks", "replay guard", "administration", "clock"].into_iter().all(is))
    })
    .await?;
    let said = doctor()?;
    let holds = |check: &str, member: &str, part: &str| {
        let finding = find(&said, check);
        assert!(finding[member].as_str().is_some_and(|text| text.contains(part)), "{finding}");
        assert_eq!(finding["severity"], "fail", "{finding}");
    };
    holds("shared clocks", "found", " s behind the clock of the database");
    holds("shared clocks", "advice", "set the clock that is wrong");
    holds("replay guard", "found", "behind the engine's");
    holds("replay guard", "advice", "`shared clocks`");
    holds("clock", "found", " s ahead of the server");
    holds("clock", "advice", "5 s");
    holds("administration", "advice", "no signature at the moment");
    holds("server", "advice", "see what is said of replay guard");
    Ok(())
}

//! Redis's clock, by which uses expire, and the servers' clocks, by which tokens are judged.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_core::{Clock as _, UnixTime};
use countersign_system::SystemClock;
use countersign_testbed::Redis;
use tempfile::TempDir;

use super::{at, settled, spent, start, start_within, until_connected};
use crate::outages::{REACH, is_unavailable, until};
use crate::support::ManualClock;

#[tokio::test]
async fn a_server_whose_clock_is_wrong_takes_nothing_until_it_is_right() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let engine = SystemClock;
    let limit = Duration::from_mins(1);
    let clock = Arc::new(ManualClock::at(engine.now() + 2 * limit));
    let guard = start_within(limit, at(&redis.url()), &clock).await.unwrap();
    let said = guard.check().await.unwrap_err().to_string();
    assert!(said.contains("clock is") && said.contains("ahead of the engine's"), "{said}");
    until("right", async || {
        clock.set(engine.now());
        guard.check().await.is_ok()
    })
    .await;
    // As far ahead as may be, and past what may have been forgotten.
    clock.set(engine.now() + REACH + Duration::from_secs(5));
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    // Wrong again, which the next use finds out.
    clock.set(engine.now() + 2 * limit);
    assert!(is_unavailable(&spent(&guard, &clock, 2).await));
    until("noticed", async || guard.check().await.is_err()).await;
}

#[tokio::test]
async fn a_wait_begins_by_the_later_of_both_clocks() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let before = SystemClock.now();
    start(at(&redis.url()), &Arc::new(ManualClock::at(UnixTime::from_secs(0)))).await.unwrap();
    let epoch = redis.command("GET countersign:tests:epoch:{0}").unwrap();
    let since = epoch.lines().nth(1).and_then(|text| text.split(' ').next()).unwrap();
    assert!(UnixTime::from_micros(since.parse().unwrap()) >= before, "{epoch}");
}

/// While it was ahead it let uses expire early. Nobody but Redis itself may have seen it.
#[tokio::test]
async fn a_redis_whose_clock_was_ahead_may_have_forgotten() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    drop(guard);
    let ahead = SystemClock.now() + Duration::from_hours(1);
    redis.command(&format!("SET countersign:tests:clock:{{0}} {}", ahead.as_micros())).unwrap();
    let another = start(at(&redis.url()), &clock).await.unwrap();
    assert!(is_unavailable(&spent(&another, &clock, 2).await));
    clock.advance(REACH + Duration::from_micros(1));
    until_connected(&another).await;
    assert_eq!(spent(&another, &clock, 3).await, Ok(()));
    assert_eq!(spent(&another, &clock, 3).await, Err(GuardError::Replayed));
}

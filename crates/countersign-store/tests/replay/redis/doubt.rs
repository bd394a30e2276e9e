//! What Redis may have forgotten is not accepted, and nothing needs a restart.

use std::time::Duration;

use countersign_core::Clock as _;
use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_testbed::Redis;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{ANSWER, at, settled, spent, start, until_connected};
use crate::outages::{REACH, is_unavailable, until};
use crate::support::{account, spend};

#[tokio::test]
async fn a_new_redis_has_callers_wait_for_the_tolerance() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    let first_seen = clock.now() - Duration::from_mins(1);
    clock.set(first_seen + REACH);
    let account = account("a");
    let last_in_doubt = spend(&account, 1, first_seen + REACH);
    assert!(is_unavailable(&guard.spend(last_in_doubt).await));
    let first_good = first_seen + REACH + Duration::from_micros(1);
    assert_eq!(guard.spend(spend(&account, 2, first_good)).await, Ok(()));
    // Another server of the same installation relies on what the first has seen.
    let another = start(at(&redis.url()), &clock).await.unwrap();
    assert_eq!(another.spend(spend(&account, 3, first_good)).await, Ok(()));
    assert!(is_unavailable(&another.spend(last_in_doubt).await));
}

#[tokio::test]
async fn after_a_kill_nothing_is_accepted_twice_and_callers_wait() {
    let directory = TempDir::new().unwrap();
    let mut redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    for number in 0..100 {
        assert_eq!(spent(&guard, &clock, number).await, Ok(()));
    }
    let made = clock.now();
    redis.kill().unwrap();
    assert!(is_unavailable(&spent(&guard, &clock, 100).await));
    clock.advance(Duration::from_secs(2));
    redis.start_again().unwrap();
    until_connected(&guard).await;

    let another = start(at(&redis.url()), &clock).await.unwrap();
    for number in 0..=100 {
        // By the other server, which has seen none of them.
        assert!(is_unavailable(&another.spend(spend(&account("a"), number, made)).await));
        let fresh = spent(&guard, &clock, 1000 + number).await;
        assert!(is_unavailable(&fresh), "what Redis may have forgotten: {fresh:?}");
    }
    clock.advance(REACH);
    assert!(is_unavailable(&spent(&guard, &clock, 2000).await), "the last instant");
    clock.advance(Duration::from_micros(1));
    assert_eq!(spent(&guard, &clock, 2000).await, Ok(()));
    assert_eq!(spent(&another, &clock, 2000).await, Err(GuardError::Replayed));
    // It has kept what it acknowledged.
    let kept = redis.command("EXISTS countersign:tests:00000000000000630000000000000000");
    assert_eq!(kept.unwrap().trim(), ":1");
}

#[tokio::test]
async fn a_redis_that_was_emptied_is_new() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    let another = start(at(&redis.url()), &clock).await.unwrap();
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    redis.command("FLUSHALL").unwrap();
    // By the first use, whenever it was last looked at.
    assert!(is_unavailable(&spent(&another, &clock, 1).await));
    until_connected(&another).await;
    let number = 7;
    assert!(is_unavailable(&spent(&another, &clock, number).await));
    clock.advance(REACH + Duration::from_micros(1));
    assert_eq!(spent(&another, &clock, number).await, Ok(()));
}

#[tokio::test]
async fn a_dump_that_was_restored_is_not_what_it_was() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    let marks = ["countersign:tests:epoch:{0}", "countersign:tests:clock:{0}"];
    let dump = marks.map(|key| {
        let answer = redis.command(&format!("GET {key}")).unwrap();
        (key, answer.lines().nth(1).unwrap().to_owned())
    });
    let clock_key = format!("GET {}", marks[1]);
    let first = redis.command(&clock_key).unwrap();
    until("looked at since", async || redis.command(&clock_key).unwrap() != first).await;
    let another = start(at(&redis.url()), &clock).await.unwrap();
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    assert_eq!(spent(&another, &clock, 2).await, Ok(()));
    // What was accepted after the dump is gone, and the epoch is the same. All at once.
    let restored = dump.map(|(key, text)| format!("'SET','{key}','{text}'"));
    let script = format!(
        "redis.call('FLUSHALL')redis.call({})redis.call({})",
        restored[0].replace(' ', "\\32"),
        restored[1]
    );
    redis.command(&format!("EVAL \"{script}\" 0")).unwrap();
    assert!(is_unavailable(&spent(&another, &clock, 1).await));
    assert!(is_unavailable(&spent(&guard, &clock, 2).await));
    until_connected(&guard).await;
    until_connected(&another).await;
    clock.advance(REACH + Duration::from_micros(1));
    assert_eq!(spent(&another, &clock, 3).await, Ok(()));
    assert_eq!(spent(&guard, &clock, 3).await, Err(GuardError::Replayed));
}

#[tokio::test]
async fn a_lost_connection_to_the_same_process_costs_nothing() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    redis.command("CLIENT KILL TYPE normal").unwrap();
    // In doubt, tried again within its limit, and known.
    assert_eq!(spent(&guard, &clock, 2).await, Ok(()));
    let another = start(at(&redis.url()), &clock).await.unwrap();
    for number in [1, 2] {
        assert_eq!(spent(&another, &clock, number).await, Err(GuardError::Replayed));
    }
}

#[tokio::test]
async fn a_hung_redis_is_not_waited_for_beyond_the_limit() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    redis.pause().unwrap();
    let before = Instant::now();
    assert!(is_unavailable(&spent(&guard, &clock, 1).await));
    // Wide, for a busy machine: without a limit it would be forever.
    assert!(before.elapsed() < ANSWER * 20);
    until("noticed", async || guard.check().await.is_err()).await;
    redis.resume().unwrap();
    until_connected(&guard).await;
    assert_eq!(spent(&guard, &clock, 2).await, Ok(()));
}

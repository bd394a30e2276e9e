//! What every guard must do, and that several servers are one guard.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::Clock as _;
use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_store::replay::conformance::{self, Candidate};
use countersign_testbed::Redis;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{at, settled, spent, start};
use crate::support::{account, spend};

/// How many tokens the servers race for.
const RACES: u64 = 500;

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_guard_must() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    let account = account("worker");
    let candidate = Candidate { guard, now: clock.now(), account, run: 1 };
    conformance::check(&candidate, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_one_accepts() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (first, clock) = settled(at(&redis.url())).await;
    let second = start(at(&redis.url()), &clock).await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..RACES {
        for guard in [&first, &second] {
            let (guard, clock) = (Arc::clone(guard), Arc::clone(&clock));
            tasks.spawn(async move { spent(&guard, &clock, number).await });
        }
    }
    let outcomes = tasks.join_all().await;
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count() as u64;
    assert_eq!(count(Ok(())), RACES);
    assert_eq!(count(Err(GuardError::Replayed)), RACES);
}

#[tokio::test]
async fn installations_share_a_redis_and_no_keys() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (first, clock) = settled(at(&redis.url())).await;
    let (second, _) = settled(countersign_store::replay::RedisServer {
        namespace: "others".parse().unwrap(),
        ..at(&redis.url())
    })
    .await;
    assert_eq!(spent(&first, &clock, 1).await, Ok(()));
    assert_eq!(spent(&second, &clock, 1).await, Ok(()));
    assert_eq!(spent(&first, &clock, 1).await, Err(GuardError::Replayed));
    assert_eq!((first.live_uses(), second.live_uses()), (Some(1), Some(1)));
}

#[tokio::test]
async fn a_use_is_kept_until_no_server_can_accept_it() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    let key = "countersign:tests:00000000000000010000000000000000";
    let answer = redis.command(&format!("PTTL {key}")).unwrap();
    let left: u64 = answer.trim_start_matches(':').trim().parse().unwrap();
    // Tolerance, margin and what Redis's clock may be ahead for a while, and not the epoch's
    // place beside it.
    assert!((30_001..=35_002).contains(&left), "{left} ms");
    assert_eq!(redis.command("PTTL countersign:tests:epoch:{0}").unwrap().trim(), ":-1");
    // A token of a caller whose clock is ahead is good for longer.
    let ahead = clock.now() + Duration::from_secs(20);
    let account = account("a");
    assert_eq!(guard.spend(spend(&account, 2, ahead)).await, Ok(()));
    let key = "countersign:tests:00000000000000020000000000000000";
    let answer = redis.command(&format!("PTTL {key}")).unwrap();
    let left: u64 = answer.trim_start_matches(':').trim().parse().unwrap();
    assert!((50_001..=55_002).contains(&left), "{left} ms");
}

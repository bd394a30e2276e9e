//! What a Redis must be set to, and what it says when it is full.

use std::sync::Arc;

use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_store::replay::{RedisDurability, RedisError, RedisServer};
use countersign_testbed::Redis;
use tempfile::TempDir;

use super::{at, settled, spent, start, until_connected};
use crate::outages::{is_unavailable, until};
use crate::support::{ManualClock, NOON};

#[tokio::test]
async fn a_redis_that_could_forget_is_refused_with_the_setting_to_change() {
    let unfit: [(&[&str], &str); 5] = [
        (&["--appendfsync", "everysec"], "its appendfsync is everysec, expected always"),
        (&["--appendonly", "no"], "its appendonly is no, expected yes"),
        (
            &["--maxmemory-policy", "allkeys-lru"],
            "its maxmemory-policy is allkeys-lru, expected noeviction",
        ),
        (
            &["--no-appendfsync-on-rewrite", "yes"],
            "its no-appendfsync-on-rewrite is yes, expected no",
        ),
        (&["--rename-command", "CONFIG", "SECRET"], "it does not tell its appendonly"),
    ];
    for (settings, named) in unfit {
        let directory = TempDir::new().unwrap();
        let redis = Redis::start(directory.path(), settings).unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let Err(RedisError::Unfit(refused)) = start(at(&redis.url()), &clock).await else {
            panic!("accepted with {settings:?}");
        };
        assert!(refused.contains(named), "{refused}");

        let durability = RedisDurability::DangerouslyVouchedFor;
        let vouched_for = RedisServer { durability, ..at(&redis.url()) };
        assert!(start(vouched_for, &clock).await.is_ok());
    }
}

#[tokio::test]
async fn a_setting_that_is_changed_meanwhile_is_noticed_and_so_is_its_repair() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    redis.command("CONFIG SET appendfsync everysec").unwrap();
    until("noticed", async || guard.check().await.is_err()).await;
    let refused = spent(&guard, &clock, 2).await.unwrap_err().to_string();
    assert!(refused.contains("appendfsync is everysec"), "{refused}");
    redis.command("CONFIG SET appendfsync always").unwrap();
    until_connected(&guard).await;
    assert_eq!(spent(&guard, &clock, 2).await, Ok(()));
    assert_eq!(spent(&guard, &clock, 1).await, Err(GuardError::Replayed));
}

#[tokio::test]
async fn a_full_redis_is_full_and_forgets_nothing() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let (guard, clock) = settled(at(&redis.url())).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    redis.command("CONFIG SET maxmemory 1").unwrap();
    assert_eq!(spent(&guard, &clock, 2).await, Err(GuardError::Full));
    redis.command("CONFIG SET maxmemory 0").unwrap();
    assert_eq!(spent(&guard, &clock, 3).await, Ok(()));
    let another = start(at(&redis.url()), &clock).await.unwrap();
    assert_eq!(spent(&another, &clock, 1).await, Err(GuardError::Replayed));
}

#[tokio::test]
async fn a_redis_that_is_away_does_not_keep_the_guard_from_starting() {
    let directory = TempDir::new().unwrap();
    let mut redis = Redis::start(directory.path(), &[]).unwrap();
    redis.kill().unwrap();
    let clock = Arc::new(ManualClock::at(NOON));
    let guard = start(at(&redis.url()), &clock).await.unwrap();
    assert!(is_unavailable(&spent(&guard, &clock, 1).await));
    assert!(is_unavailable(&guard.check().await));
    redis.start_again().unwrap();
    until_connected(&guard).await;
}

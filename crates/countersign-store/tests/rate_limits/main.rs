//! Limits that servers share through a real Redis.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::net::TcpListener;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::AccountId;
use countersign_core::ports::{RateLimiter as _, RateSubject};
use countersign_store::rate_limits::clock::FakeRelativeClock;
use countersign_store::rate_limits::{RateLimit, RedisCounts, RedisRateLimiter};
use countersign_store::replay::{RedisDurability, RedisServer, SharedLimits};
use countersign_testbed::Redis;
use uuid::Uuid;

const HOUR: Duration = Duration::from_hours(1);
/// Ample, for a machine that is busy: counting goes on without Redis when it is over.
const ANSWER: Duration = Duration::from_secs(30);

fn at(redis: &Redis, namespace: &str) -> RedisServer {
    RedisServer {
        url: redis.url().parse().unwrap(),
        namespace: namespace.parse().unwrap(),
        root_certificate: None,
        durability: RedisDurability::Checked,
    }
}

/// What one server counts with.
async fn server(redis: &Redis, namespace: &str, limit: RateLimit) -> Limiter {
    server_at(at(redis, namespace), limit).await
}

async fn server_at(at: RedisServer, limit: RateLimit) -> Limiter {
    let limits = SharedLimits { answer: ANSWER, connect: ANSWER, ..SharedLimits::default() };
    let counts = RedisCounts::start(at, limits).await.unwrap();
    // Stands still, so nothing that is counted without Redis is ever forgotten.
    RedisRateLimiter::new(Arc::new(counts), limit, FakeRelativeClock::default())
}

type Limiter = RedisRateLimiter<FakeRelativeClock>;

fn limit(requests: u32, period: Duration, burst: u32) -> RateLimit {
    let number = |number| NonZeroU32::new(number).unwrap();
    RateLimit::new(number(requests), period, number(burst)).unwrap()
}

fn account(number: u128) -> RateSubject {
    RateSubject::account(AccountId(Uuid::from_u128(number)))
}

async fn passing(limiter: &Limiter, tries: usize) -> usize {
    let mut passed = 0;
    for _ in 0..tries {
        passed += usize::from(limiter.count(account(1)).await.is_ok());
    }
    passed
}

#[tokio::test]
async fn servers_that_share_a_redis_count_together() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    // Two minutes for each: none comes back while the test runs.
    let limit = limit(30, HOUR, 30);
    let (one, other) = (server(&redis, "a", limit).await, server(&redis, "a", limit).await);
    let stranger = server(&redis, "b", limit).await;
    assert_eq!(passing(&one, 20).await, 20);
    assert_eq!(passing(&other, 20).await, 10);
    assert_eq!(passing(&one, 1).await, 0);
    let over = one.count(account(1)).await.unwrap_err();
    assert!(over.retry_after <= Duration::from_mins(2), "{over}");
    assert_eq!(one.count(account(2)).await, Ok(()), "each is counted apart");
    assert_eq!(passing(&stranger, 30).await, 30, "another installation is");
}

#[tokio::test]
async fn a_cluster_counts_too() {
    let directory = tempfile::tempdir().unwrap();
    let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let settings = ["--cluster-enabled", "yes", "--cluster-port", &bus];
    let redis = Redis::start(directory.path(), &settings).unwrap();
    redis.command("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    let complete = || redis.command("CLUSTER INFO").unwrap().contains("cluster_state:ok");
    until("the cluster to be complete", async || complete()).await;
    let url = format!("redis+cluster://{}", redis.address()).parse().unwrap();
    let at = RedisServer { url, ..at(&redis, "a") };
    let limit = limit(10, HOUR, 10);
    let (one, other) = (server_at(at.clone(), limit).await, server_at(at, limit).await);
    assert_eq!((passing(&one, 6).await, passing(&other, 6).await), (6, 4));
}

#[tokio::test]
async fn concurrent_requests_do_not_slip_through() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let limit = limit(25, HOUR, 25);
    let (one, other) = (server(&redis, "a", limit).await, server(&redis, "a", limit).await);
    let counting = (0..100).map(|number| {
        let limiter = if number % 2 == 0 { &one } else { &other };
        limiter.count(account(1))
    });
    let passed = futures_util::future::join_all(counting).await;
    assert_eq!(passed.iter().filter(|counted| counted.is_ok()).count(), 25);
}

#[tokio::test]
async fn what_is_counted_comes_back_and_is_forgotten_by_redis_s_own_clock() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let clock = FakeRelativeClock::default();
    let counts = RedisCounts::start(at(&redis, "a"), SharedLimits::default()).await.unwrap();
    let limit = limit(2, Duration::from_secs(1), 1);
    let limiter = RedisRateLimiter::new(Arc::new(counts), limit, clock.clone());
    let mut waited = 0;
    while limiter.count(account(1)).await.is_ok() {
        assert!(waited < 1000, "never over the limit");
        waited += 1;
    }
    // Whoever is over it is turned away without Redis, until this process thinks that it asks in
    // vain no more.
    let asked = || redis.command("INFO commandstats").unwrap();
    let calls = |said: String| {
        let evals = said.lines().find(|line| line.starts_with("cmdstat_evalsha:"));
        evals.and_then(|line| line.split(',').next().map(str::to_owned)).unwrap()
    };
    let before = calls(asked());
    assert_eq!(passing(&limiter, 50).await, 0);
    assert_eq!(calls(asked()), before);
    let passes = async || {
        clock.advance(Duration::from_secs(1));
        limiter.count(account(1)).await.is_ok()
    };
    until("one more to pass", passes).await;
    let left = || redis.command("KEYS countersign:a:limit:*").unwrap();
    until("nothing to be left", async || left().trim() == "*0").await;
}

#[tokio::test]
async fn a_clock_of_redis_s_that_was_set_back_has_nobody_wait_longer() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let limiter = server(&redis, "a", limit(60, HOUR, 2)).await;
    let key = format!("countersign:a:limit:{}", account(1));
    // As if it had been written next year.
    redis.command(&format!("SET {key} 9000000000000000")).unwrap();
    let over = limiter.count(account(1)).await.unwrap_err();
    assert!(over.retry_after <= Duration::from_mins(1), "{over}");
}

#[tokio::test]
async fn while_redis_is_away_each_server_counts_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let mut redis = Redis::start(directory.path(), &[]).unwrap();
    let limit = limit(10, HOUR, 10);
    let (one, other) = (server(&redis, "a", limit).await, server(&redis, "a", limit).await);
    assert_eq!(passing(&one, 5).await, 5);
    redis.kill().unwrap();
    assert_eq!(passing(&one, 20).await, 10);
    assert_eq!(passing(&other, 20).await, 10);
    redis.start_again().unwrap();
    // What was counted there before still is, and the server's own count is used up.
    until("Redis to be asked again", async || passing(&one, 1).await == 1).await;
    assert_eq!(passing(&one, 20).await, 4);
}

#[tokio::test]
async fn a_redis_that_hangs_is_left_alone_until_it_answers() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let limits = SharedLimits { answer: Duration::from_millis(100), ..SharedLimits::default() };
    let counts = RedisCounts::start(at(&redis, "a"), limits).await.unwrap();
    let clock = FakeRelativeClock::default();
    let limiter = RedisRateLimiter::new(Arc::new(counts), limit(10, HOUR, 10), clock);
    redis.pause().unwrap();
    assert_eq!(passing(&limiter, 20).await, 10);
    redis.resume().unwrap();
    until("Redis to be asked again", async || passing(&limiter, 1).await == 1).await;
}

#[tokio::test]
async fn a_redis_that_does_not_let_us_in_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path(), &["--requirepass", "secret"]).unwrap();
    let refused = RedisCounts::start(at(&redis, "a"), SharedLimits::default()).await;
    assert!(refused.err().unwrap().to_string().contains("will not do"));
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(2), waiting).await;
    assert!(waited.is_ok(), "waited too long for {what}");
}

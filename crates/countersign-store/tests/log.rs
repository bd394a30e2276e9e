//! What the log says of an outage of Redis: its beginning, and its end.
//!
//! A binary of its own: whether a place in the code is logged is remembered for the whole process
//! when the first thread comes by.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use countersign_core::ports::{
    NONCE_RETENTION_MARGIN, RateLimiter as _, RateSubject, ReplayGuard as _, ReplayKey, Spend,
};
use countersign_core::{AccountId, AccountName, Clock, UnixTime};
use countersign_store::rate_limits::clock::FakeRelativeClock;
use countersign_store::rate_limits::{RateLimit, RedisCounts, RedisRateLimiter};
use countersign_store::replay::{
    RedisDurability, RedisReplayGuard, RedisServer, ReplayLimits, SharedLimits,
};
use countersign_system::SystemRandom;
use countersign_testbed::Redis;
use uuid::Uuid;

/// Ample, for a machine that is busy.
const ANSWER: Duration = Duration::from_secs(30);
const TOLERANCE: Duration = Duration::from_secs(20);

/// What has been logged since the last test began.
fn written() -> MutexGuard<'static, Vec<u8>> {
    static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins a test's log; no other test runs until the answer is dropped.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static SUBSCRIBER: OnceLock<()> = OnceLock::new();
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let alone = ONE_AT_A_TIME.lock().await;
    SUBSCRIBER.get_or_init(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Writer);
        subscriber.with_max_level(tracing::Level::DEBUG).init();
    });
    written().clear();
    alone
}

/// The lines with all of these words.
fn lines(words: &[&str]) -> Vec<String> {
    let text = String::from_utf8(written().clone()).unwrap();
    let ours = text.lines().filter(|line| line.contains("countersign_store"));
    ours.filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        written().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn at(redis: &Redis) -> RedisServer {
    RedisServer {
        url: redis.url().parse().unwrap(),
        namespace: "tests".parse().unwrap(),
        root_certificate: None,
        durability: RedisDurability::Checked,
    }
}

fn limits() -> SharedLimits {
    // The tests' clocks are none of Redis's.
    let skew = Duration::MAX;
    SharedLimits { answer: ANSWER, connect: ANSWER, skew, ..SharedLimits::default() }
}

/// Makes something happen again and again until something holds.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(2), waiting).await;
    assert!(waited.is_ok(), "waited too long for {what}");
}

#[tokio::test]
async fn a_redis_that_refuses_to_count_is_reported_once() {
    let _alone = alone().await;
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let counts = RedisCounts::start(at(&redis), limits()).await.unwrap();
    let many = NonZeroU32::new(1_000_000).unwrap();
    let limit = RateLimit::new(many, Duration::from_secs(1), many).unwrap();
    let limiter = RedisRateLimiter::new(Arc::new(counts), limit, FakeRelativeClock::default());
    let count = async || {
        let subject = RateSubject::account(AccountId(Uuid::nil()));
        assert_eq!(limiter.count(subject).await, Ok(()));
    };
    for outage in 1..=2 {
        count().await;
        // It answers, lets us in, and is full.
        redis.command("CONFIG SET maxmemory 1").unwrap();
        let refused = || lines(&["does not count rate limits yet"]).len();
        let before = refused();
        until("it to be tried again", async || {
            count().await;
            refused() >= before + 2
        })
        .await;
        redis.command("CONFIG SET maxmemory 0").unwrap();
        let again = || lines(&["INFO", "rate limits are shared through Redis again"]).len();
        until("the end", async || {
            count().await;
            again() == outage
        })
        .await;
        let begun = lines(&["WARN", "this server's own while Redis is away"]);
        assert_eq!((begun.len(), lines(&["WARN"]).len()), (outage, outage));
        assert!(begun[0].contains("OOM"), "{begun:?}");
        assert_eq!(lines(&["INFO"]).len(), outage);
    }
}

/// A clock that stands until it is set.
struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_micros(self.0.load(Ordering::SeqCst))
    }
}

impl ManualClock {
    fn advance(&self, span: Duration) {
        self.0.store((self.now() + span).as_micros(), Ordering::SeqCst);
    }
}

#[tokio::test]
async fn uses_in_flight_when_a_session_ends_are_counted_in_one_line() {
    const USES: u8 = 20;
    let _alone = alone().await;
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    // Later than by Redis's clock, as the later of two counts.
    let clock =
        Arc::new(ManualClock(AtomicI64::new(UnixTime::from_secs(4_100_000_000).as_micros())));
    let limits = (ReplayLimits::default(), limits());
    let random = Arc::new(SystemRandom);
    let server = (at(&redis), TOLERANCE);
    let guard = RedisReplayGuard::start(server, limits, clock.clone(), random).await.unwrap();
    let account = AccountName::new("a").unwrap();
    let mut sessions = 0;
    // The server looks for itself now and then, and may have been first.
    until("the uses to be first", async || {
        sessions += 1;
        clock.advance(TOLERANCE + NONCE_RETENTION_MARGIN + Duration::from_micros(1));
        redis.command("DEL countersign:tests:epoch:{0}").unwrap();
        let uses = (0..USES).map(|number| {
            let key = ReplayKey::from_bytes([number; 16]);
            guard.spend(Spend { key, account: &account, time: clock.now(), tolerance: TOLERANCE })
        });
        let outcomes = futures_util::future::join_all(uses).await;
        assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
        until("another session", async || guard.check().await.is_ok()).await;
        let ended = lines(&["WARN", "session with Redis is over", "forgotten"]);
        assert_eq!((ended.len(), lines(&["WARN"]).len()), (sessions, sessions));
        assert_eq!(lines(&["INFO", "connected to Redis again"]).len(), sessions);
        lines(&["INFO", &format!("uses_in_doubt={USES}")]).len() == 1
    })
    .await;
}

//! Servers whose clocks are not in step: they notice, and until it is too much they accept
//! nothing twice.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_core::ports::{GuardError, NONCE_RETENTION_MARGIN, ReplayGuard, ReplayKey, Spend};
use countersign_core::{AccountName, Clock, UnixTime};
use countersign_store::replay::{
    PostgresReplayGuard, RedisDurability, RedisProbe, RedisReplayGuard, RedisServer, ReplayLimits,
    SharedLimits,
};
use countersign_store::{
    CLOCK_LIMIT, ClockWatch, PostgresLimits, PostgresServer, PostgresTrail, PostgresUrl,
    SharedClock,
};
use countersign_system::{SystemClock, SystemRandom};
use countersign_testbed::{Redis, fresh_database};
use tempfile::TempDir;

/// How far the servers' clocks are from the engine's: a little less than half of what uses
/// are remembered for beyond their window.
const SKEW: Duration = Duration::from_secs(4);
const TOLERANCE: Duration = Duration::from_secs(3);
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// The right time, so many seconds ahead or behind.
struct Skewed(AtomicI64);

impl Skewed {
    fn by(seconds: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(seconds)))
    }

    fn step_to(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for Skewed {
    fn now(&self) -> UnixTime {
        let skew = self.0.load(Ordering::SeqCst) * 1_000_000;
        UnixTime::from_micros(SystemClock.now().as_micros() + skew)
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect(what);
}

async fn postgres(url: &str) -> PostgresServer {
    let url = PostgresUrl::parse(url).unwrap();
    PostgresServer::open(&url, PostgresLimits::default()).await.unwrap()
}

fn redis_at(redis: &Redis) -> RedisServer {
    RedisServer {
        url: redis.url().parse().unwrap(),
        namespace: "tests".parse().unwrap(),
        root_certificate: None,
        durability: RedisDurability::Checked,
    }
}

/// A clock that is stepped away from the shared one, and back.
async fn is_noticed(reference: Arc<dyn SharedClock>) {
    let limit = i64::try_from(CLOCK_LIMIT.as_secs()).unwrap();
    let name = reference.name();
    let own = Skewed::by(0);
    let watch = ClockWatch::start(vec![reference], &(Arc::clone(&own) as _));
    until("a first comparison", async || !watch.differences().is_empty()).await;
    assert_eq!(watch.trouble(), None);
    for (skew, side) in [(limit + 2, "ahead of"), (-limit - 2, "behind")] {
        own.step_to(skew);
        let said = format!("s {side} the clock of the {name}");
        let is_said = async || watch.trouble().is_some_and(|trouble| trouble.contains(&said));
        until("the difference to be noticed", is_said).await;
        let (of, difference) = watch.differences()[0];
        let wrong = Duration::from_micros(difference.ahead_micros.abs_diff(skew * 1_000_000));
        assert_eq!(of, name);
        assert!(wrong <= difference.give_or_take + Duration::from_millis(50), "{difference:?}");
        own.step_to(0);
        until("the clocks to be in step again", async || watch.trouble().is_none()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_not_in_step_with_postgres_is_noticed() {
    let database = fresh_database().await.unwrap();
    let trail = PostgresTrail::new(postgres(database.url()).await);
    is_noticed(Arc::new(trail)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_not_in_step_with_redis_is_noticed() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    is_noticed(Arc::new(RedisProbe::new(redis_at(&redis), SharedLimits::default()))).await;
}

/// A server whose guard judges by a clock of its own.
struct Replica {
    guard: Arc<dyn ReplayGuard>,
    clock: Arc<Skewed>,
}

impl Replica {
    async fn spend(&self, number: u64, time: UnixTime) -> Result<(), GuardError> {
        let account = AccountName::new("worker").unwrap();
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        let key = ReplayKey::from_bytes(key);
        self.guard.spend(Spend { key, account: &account, time, tolerance: TOLERANCE }).await
    }
}

/// The one that is ahead accepts a token at the very end of what it may, and steps back. The
/// one that is behind takes tokens of that time for long after that.
async fn nothing_is_accepted_twice(ahead: Replica, behind: Replica) {
    assert!(2 * SKEW <= NONCE_RETENTION_MARGIN);
    let mut numbers = 0..;
    let mut next = || numbers.next().unwrap();
    // After the wait of a first contact.
    let mut accepted = None;
    until("a token to be accepted", async || {
        let (number, time) = (next(), ahead.clock.now() + TOLERANCE - Duration::from_millis(100));
        let is_accepted = ahead.spend(number, time).await.is_ok();
        accepted = is_accepted.then_some((number, time));
        is_accepted
    })
    .await;
    let (used, time) = accepted.unwrap();
    ahead.clock.step_to(-i64::try_from(SKEW.as_secs()).unwrap());
    let mut others = 0;
    until("the window to pass everywhere", async || {
        for replica in [&ahead, &behind] {
            assert_ne!(replica.spend(used, time).await, Ok(()), "accepted twice");
        }
        // Unused ones of the same time show that it would have been accepted.
        others += u64::from(behind.spend(next(), time).await.is_ok());
        behind.clock.now() > time + TOLERANCE
    })
    .await;
    assert_ne!(others, 0, "the window was open");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_out_of_step_accept_nothing_twice_on_postgres() {
    let database = fresh_database().await.unwrap();
    let start = async |skew: i64| {
        let clock = Skewed::by(skew);
        let server = (postgres(database.url()).await, TOLERANCE);
        let limits = (ReplayLimits::default(), SharedLimits::default());
        let random = Arc::new(SystemRandom);
        let guard = PostgresReplayGuard::start(server, limits, Arc::clone(&clock) as _, random);
        Replica { guard: Arc::new(guard.await.unwrap()), clock }
    };
    let skew = i64::try_from(SKEW.as_secs()).unwrap();
    nothing_is_accepted_twice(start(skew).await, start(-skew).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_out_of_step_accept_nothing_twice_on_redis() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let start = async |skew: i64| {
        let clock = Skewed::by(skew);
        let limits = (ReplayLimits::default(), SharedLimits::default());
        let random = Arc::new(SystemRandom);
        let server = (redis_at(&redis), TOLERANCE);
        let guard = RedisReplayGuard::start(server, limits, Arc::clone(&clock) as _, random);
        Replica { guard: Arc::new(guard.await.unwrap()), clock }
    };
    let skew = i64::try_from(SKEW.as_secs()).unwrap();
    nothing_is_accepted_twice(start(skew).await, start(-skew).await).await;
}

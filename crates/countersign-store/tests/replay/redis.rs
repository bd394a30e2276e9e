//! The guard in Redis, with real servers.

mod clocks;
mod cluster;
mod cluster_failover;
mod conformance;
mod doubt;
mod nodes;
mod retry;
mod sentinel;
mod settings;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{GuardError, ReplayGuard};
use countersign_store::replay::{
    RedisDurability, RedisError, RedisReplayGuard, RedisServer, ReplayLimits, SharedLimits,
    SharedTolerance,
};
use countersign_system::SystemRandom;

use crate::outages::until;
use crate::support::{ManualClock, NOON, TOLERANCE, account, spend};

/// How long a use waits here.
const ANSWER: Duration = Duration::from_secs(1);

/// A Redis at this URL, in the namespace `tests`.
pub(crate) fn at(url: &str) -> RedisServer {
    RedisServer {
        url: url.parse().unwrap(),
        namespace: "tests".parse().unwrap(),
        root_certificate: None,
        durability: RedisDurability::Checked,
    }
}

/// A guard of one server's.
async fn start(
    server: RedisServer,
    clock: &Arc<ManualClock>,
) -> Result<Arc<RedisReplayGuard>, RedisError> {
    // The tests' clocks are none of Redis's.
    start_within(Duration::MAX, server, clock).await
}

/// A guard whose clock may be so far from Redis's.
async fn start_within(
    skew: Duration,
    server: RedisServer,
    clock: &Arc<ManualClock>,
) -> Result<Arc<RedisReplayGuard>, RedisError> {
    start_with((TOLERANCE.into(), skew), server, clock).await
}

/// A guard that remembers for this tolerance.
pub(crate) async fn start_with(
    (tolerance, skew): (SharedTolerance, Duration),
    server: RedisServer,
    clock: &Arc<ManualClock>,
) -> Result<Arc<RedisReplayGuard>, RedisError> {
    let limits = SharedLimits { answer: ANSWER, skew, ..SharedLimits::default() };
    let limits = (ReplayLimits::default(), limits);
    let clock = Arc::clone(clock);
    let guard = RedisReplayGuard::start((server, tolerance), limits, clock, Arc::new(SystemRandom));
    guard.await.map(Arc::new)
}

/// A guard over a Redis that has been known for long: the clock stands a minute after noon,
/// when it was first seen.
async fn settled(server: RedisServer) -> (Arc<RedisReplayGuard>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(NOON));
    let guard = start(server, &clock).await.unwrap();
    clock.advance(Duration::from_mins(1));
    (guard, clock)
}

/// The use of this number, by a token that was made now.
async fn spent(
    guard: &RedisReplayGuard,
    clock: &ManualClock,
    number: u64,
) -> Result<(), GuardError> {
    use countersign_core::Clock as _;
    guard.spend(spend(&account("a"), number, clock.now())).await
}

async fn until_connected(guard: &RedisReplayGuard) {
    until("connected", async || guard.check().await.is_ok()).await;
}

//! The guards that servers share, as the binary opens them.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::Clock;
use countersign_core::ports::ReplayGuard;
use countersign_store::replay::{
    BreakerLimits, CircuitBreaker, PostgresReplayGuard, RedisDurability, RedisReplayGuard,
    RedisServer, ReplayLimits, SharedLimits,
};
use countersign_store::{PostgresLimits, PostgresServer, PostgresUrl};
use countersign_system::SystemRandom;

/// The longest that an answer may take: a benchmark waits where a server would say 503.
const PATIENCE: Duration = Duration::from_secs(30);

/// One that remembers in a PostgreSQL database, whose tables are made if there are none.
///
/// # Errors
/// If it will not do.
pub async fn postgres(
    url: &str,
    tolerance: Duration,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn ReplayGuard>> {
    let server = PostgresServer::open(&PostgresUrl::parse(url)?, PostgresLimits::default()).await?;
    let guard =
        PostgresReplayGuard::start((server, tolerance), limits(), clock, Arc::new(SystemRandom));
    Ok(behind_a_breaker(guard.await?))
}

/// One that remembers in Redis.
///
/// # Errors
/// If it will not do.
pub async fn redis(
    url: &str,
    tolerance: Duration,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn ReplayGuard>> {
    let server = RedisServer {
        url: url.parse()?,
        namespace: "benchmark".parse()?,
        root_certificate: None,
        durability: RedisDurability::Checked,
    };
    let guard =
        RedisReplayGuard::start((server, tolerance), limits(), clock, Arc::new(SystemRandom));
    Ok(behind_a_breaker(guard.await?))
}

fn limits() -> (ReplayLimits, SharedLimits) {
    // The clocks of benchmarks are not the engine's.
    let shared = SharedLimits { answer: PATIENCE, skew: Duration::MAX, ..SharedLimits::default() };
    (ReplayLimits::default(), shared)
}

fn behind_a_breaker(guard: impl ReplayGuard + 'static) -> Arc<dyn ReplayGuard> {
    Arc::new(CircuitBreaker::around(Arc::new(guard), BreakerLimits::default()))
}

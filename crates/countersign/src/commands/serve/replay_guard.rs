//! The replay guard of the settings.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::ReplayGuard;
use countersign_store::SqliteFile;
use countersign_store::replay::{
    BreakerLimits, CircuitBreaker, DurableReplayGuard, JournalLimits, RedisDurability,
    RedisReplayGuard, RedisServer, ReplayLimits, ReplayWheel, SharedLimits, SqlJournal,
};
use countersign_system::{SystemClock, SystemRandom};

use crate::config::{GuardChoice, RedisSettings, Settings};
use crate::failure::Failure;

/// How often a wheel that nobody uses is freed of what it need not remember.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Opens it. The id of the installation is what its keys are called by where it shares a
/// Redis with others.
///
/// # Errors
/// A [`Failure`] if the guard would not remember what it must.
pub(super) async fn open(
    settings: &Settings,
    file: SqliteFile,
    instance_id: &str,
) -> Result<Arc<dyn ReplayGuard>, Failure> {
    let limits = ReplayLimits::with_capacity(settings.replay.capacity);
    match &settings.replay.guard {
        GuardChoice::Durable => {
            let journal = Arc::new(SqlJournal::new(file));
            let limits = (limits, JournalLimits::default());
            let guard =
                DurableReplayGuard::open(journal, limits, Arc::new(SystemClock), &SystemRandom);
            Ok(Arc::new(guard.await.map_err(Failure::refused)?))
        }
        GuardChoice::Memory => {
            tracing::warn!(
                "replay_guard is memory: a restart forgets which tokens were used, and they can be used once more within their window"
            );
            let wheel = Arc::new(ReplayWheel::new(limits, Arc::new(SystemClock), &SystemRandom));
            wheel.sweep_every(SWEEP_INTERVAL);
            Ok(wheel)
        }
        GuardChoice::Redis(redis) => {
            let guard = in_redis(settings, redis, limits, instance_id).await?;
            Ok(Arc::new(CircuitBreaker::around(guard, BreakerLimits::default())))
        }
    }
}

async fn in_redis(
    settings: &Settings,
    redis: &RedisSettings,
    limits: ReplayLimits,
    instance_id: &str,
) -> Result<Arc<dyn ReplayGuard>, Failure> {
    if redis.durability == RedisDurability::DangerouslyVouchedFor {
        tracing::warn!(
            "dangerous_redis_durability_unchecked is set: if Redis forgets what it acknowledged, tokens can be used again"
        );
    }
    let namespace = match &redis.namespace {
        Some(namespace) => namespace.clone(),
        None => instance_id.parse().map_err(Failure::refused)?,
    };
    let server = RedisServer {
        url: redis.url.clone(),
        namespace,
        root_certificate: redis.root_certificate.clone(),
        durability: redis.durability,
    };
    let limits = (limits, shared_limits(settings));
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let guard = RedisReplayGuard::start((server, settings.tolerance), limits, clock, random);
    Ok(Arc::new(guard.await.map_err(|error| Failure::usage(format_args!("redis_url: {error}")))?))
}

fn shared_limits(settings: &Settings) -> SharedLimits {
    SharedLimits { answer: settings.replay.timeout, ..SharedLimits::default() }
}

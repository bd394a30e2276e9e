//! The replay guard of the settings.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::ReplayGuard;
use countersign_store::replay::{
    BreakerLimits, CircuitBreaker, DurableReplayGuard, JournalLimits, Memory, PostgresReplayGuard,
    RedisDurability, RedisProbe, RedisReplayGuard, RedisServer, ReplayLimits, ReplayWheel,
    SharedLimits, SharedTolerance, SqlJournal,
};
use countersign_store::{Database, PostgresServer, SqliteFile};
use countersign_system::{SystemClock, SystemRandom};
use tokio::sync::watch;

use crate::config::{GuardChoice, RedisSettings, Settings};
use crate::databases::Databases;
use crate::failure::Failure;

/// How often a wheel that nobody uses is freed of what it need not remember.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A guard, and which memory it has.
pub(super) struct Opened {
    pub(super) guard: Arc<dyn ReplayGuard>,
    pub(super) memory: watch::Receiver<Memory>,
}

impl Opened {
    /// One whose memory stays the same.
    fn with(guard: Arc<dyn ReplayGuard>, memory: Memory) -> Self {
        Self { guard, memory: watch::Sender::new(memory).subscribe() }
    }
}

/// Opens it. The id of the installation is what its keys are called by where it shares a
/// Redis with others.
///
/// # Errors
/// A [`Failure`] if the guard would not remember what it must.
pub(super) async fn open(
    settings: &Settings,
    databases: &Databases,
    instance_id: &str,
) -> Result<Opened, Failure> {
    let limits = ReplayLimits::with_capacity(settings.replay.capacity);
    if matches!(databases.main, Database::Postgres(_))
        && !settings.replay.guard.is_shared(&databases.main)
    {
        tracing::warn!(
            "replay_guard is of this server alone: another one on the same database does not start, where locks are known to all (poolers and copies of the database may keep them apart), and would accept each token once more; give both `database` or `redis`"
        );
    }
    match &settings.replay.guard {
        GuardChoice::Durable => {
            // Unwrap safety: for this guard `Databases::open` has opened it.
            let file = databases.nonces.clone().expect("a file for spent nonces");
            in_file(file, limits).await
        }
        GuardChoice::Database => match &databases.main {
            Database::Sqlite(file) => in_file(file.clone(), limits).await,
            Database::Postgres(server) => in_postgres(settings, server.clone(), limits).await,
        },
        GuardChoice::Memory => {
            tracing::warn!(
                "replay_guard is memory: a restart forgets which tokens were used, and they can be used once more within their window"
            );
            let wheel = Arc::new(ReplayWheel::new(limits, Arc::new(SystemClock), &SystemRandom));
            wheel.sweep_every(SWEEP_INTERVAL);
            Ok(Opened::with(wheel, Memory::Own))
        }
        GuardChoice::Redis(redis) => in_redis(settings, redis, limits, instance_id).await,
    }
}

async fn in_file(file: SqliteFile, limits: ReplayLimits) -> Result<Opened, Failure> {
    let journal = Arc::new(SqlJournal::new(file));
    let limits = (limits, JournalLimits::default());
    let guard = DurableReplayGuard::open(journal, limits, Arc::new(SystemClock), &SystemRandom);
    Ok(Opened::with(Arc::new(guard.await.map_err(Failure::refused)?), Memory::Own))
}

async fn in_postgres(
    settings: &Settings,
    server: PostgresServer,
    limits: ReplayLimits,
) -> Result<Opened, Failure> {
    let limits = (limits, shared_limits(settings));
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let guard = PostgresReplayGuard::start((server, tolerance(settings)), limits, clock, random);
    let named = |error| Failure::usage(format_args!("database_url: {error}"));
    Ok(Opened::with(behind_a_breaker(guard.await.map_err(named)?), Memory::DATABASE))
}

async fn in_redis(
    settings: &Settings,
    redis: &RedisSettings,
    limits: ReplayLimits,
    instance_id: &str,
) -> Result<Opened, Failure> {
    if redis.durability == RedisDurability::DangerouslyVouchedFor {
        tracing::warn!(
            "dangerous_redis_durability_unchecked is set: if Redis forgets what it acknowledged, tokens can be used again"
        );
    }
    let server = redis_server(redis, instance_id)?;
    let limits = (limits, shared_limits(settings));
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let guard = RedisReplayGuard::start((server, tolerance(settings)), limits, clock, random);
    let named = |error| Failure::usage(format_args!("redis_url: {error}"));
    let guard = guard.await.map_err(named)?;
    let memory = guard.memory();
    Ok(Opened { guard: behind_a_breaker(guard), memory })
}

/// What asks Redis about itself, if the guard or rate limits are there.
///
/// # Errors
/// A [`Failure`] if the installation's id cannot be a namespace.
pub(super) fn probe(
    settings: &Settings,
    instance_id: &str,
) -> Result<Option<Arc<RedisProbe>>, Failure> {
    let Some(redis) = &settings.replay.redis else { return Ok(None) };
    let server = redis_server(redis, instance_id)?;
    Ok(Some(Arc::new(RedisProbe::new(server, shared_limits(settings)))))
}

/// Where Redis is, for whatever is kept there.
///
/// # Errors
/// A [`Failure`] if the installation's id cannot be a namespace.
pub(super) fn redis_server(
    redis: &RedisSettings,
    instance_id: &str,
) -> Result<RedisServer, Failure> {
    let namespace = match &redis.namespace {
        Some(namespace) => namespace.clone(),
        None => instance_id.parse().map_err(Failure::refused)?,
    };
    Ok(RedisServer {
        url: redis.url.clone(),
        namespace,
        root_certificate: redis.root_certificate.clone(),
        durability: redis.durability,
    })
}

/// Requests do not wait for what does not answer.
fn behind_a_breaker(guard: impl ReplayGuard + 'static) -> Arc<dyn ReplayGuard> {
    Arc::new(CircuitBreaker::around(Arc::new(guard), BreakerLimits::default()))
}

fn tolerance(settings: &Settings) -> SharedTolerance {
    if settings.replay.changes_tolerance {
        SharedTolerance::Changed(settings.tolerance)
    } else {
        SharedTolerance::Agreed(settings.tolerance)
    }
}

pub(super) fn shared_limits(settings: &Settings) -> SharedLimits {
    SharedLimits { answer: settings.replay.timeout, ..SharedLimits::default() }
}

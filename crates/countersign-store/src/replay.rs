//! Replay guards: what makes a signed request usable once.
//!
//! [`ReplayWheel`] remembers in the process. It is exact for as long as the
//! process lives, and it needs 10 to 21 bytes for each use it remembers.
//! [`GuardSinceStart`] adds what a restart would make it forget: it takes no token that
//! the process before may have taken.
//! [`DurableReplayGuard`] puts a journal under a wheel, so that what was used
//! stays used across a `kill -9`: the wheel judges, the journal remembers.
//! [`PostgresReplayGuard`] remembers in PostgreSQL, for several servers, and
//! [`RedisReplayGuard`] in Redis (feature `redis`).
//! [`CircuitBreaker`] asks a guard that does not answer only now and then.
//!
//! ```
//! use std::sync::Arc;
//! use countersign_core::ports::ReplayGuard;
//! use countersign_store::replay::{ReplayLimits, ReplayWheel};
//! use countersign_system::{SystemClock, SystemRandom};
//!
//! let clock = Arc::new(SystemClock);
//! let wheel = ReplayWheel::new(ReplayLimits::default(), clock, &SystemRandom);
//! let guard: Arc<dyn ReplayGuard> = Arc::new(wheel);
//! ```

mod breaker;
pub mod conformance;
mod durable;
mod hold;
mod journal;
mod limits;
#[cfg(any(feature = "redis", feature = "sql"))]
mod memory;
#[cfg(feature = "sql")]
mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod scribe;
#[cfg(any(feature = "redis", feature = "sql"))]
mod shared;
mod shares;
mod since_start;
mod skew;
mod slot;
#[cfg(feature = "sql")]
mod sql;
mod wheel;

pub use breaker::{BreakerLimits, CircuitBreaker};
pub use durable::{DurableReplayGuard, OpenError};
pub use journal::{JournalBatch, JournalError, NonceJournal, RecordedUse, Recovered};
pub use limits::{JournalLimits, ReplayLimits, SharedLimits, SharedTolerance};
#[cfg(any(feature = "redis", feature = "sql"))]
pub use memory::{Memory, MemoryId};
#[cfg(all(test, feature = "sql"))]
pub(crate) use postgres::statements as postgres_statements;
#[cfg(feature = "sql")]
pub use postgres::{PostgresReplayGuard, UnfitDatabase};
#[cfg(feature = "redis")]
pub use redis::{
    Namespace, NamespaceError, RedisDurability, RedisError, RedisNetwork, RedisProbe,
    RedisReplayGuard, RedisServer, RedisStream, RedisUrl, RedisUrlError,
};
pub use since_start::GuardSinceStart;
pub use skew::MAX_CLOCK_SKEW;
#[cfg(feature = "sql")]
pub use sql::SqlJournal;
pub use wheel::ReplayWheel;

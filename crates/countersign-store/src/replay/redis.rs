//! The replay guard that servers share through Redis.
//!
//! A request walks `register` (one `SET NX` with the attempt's id), which asks `link` for
//! the present `session`: connections to the masters, opened together and never mended. A
//! session that is not beyond doubt ends, and the next one is judged by `survey` (what Redis
//! is, and whether it keeps what it acknowledges) and `epoch` (what it was before). Each use
//! brings the `marks` back that tell whether its master still is what it was.

mod cluster;
#[cfg(feature = "rate-limits")]
mod connections;
mod epoch;
mod id;
mod link;
mod marks;
mod masters;
mod network;
mod probe;
mod register;
mod sentinels;
mod session;
mod survey;
mod url;

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::ports::{GuardError, ReplayGuard, Spend};
use countersign_core::{Clock, Random, UnixTime};
use tokio::sync::watch;

use self::link::Link;
use self::register::RedisRegister;
use super::limits::{ReplayLimits, SharedLimits, SharedTolerance};
use super::memory::Memory;
use super::shared::SharedGuard;

#[cfg(feature = "rate-limits")]
pub(crate) use self::connections::{Connections, Dialing};
pub use self::epoch::{Namespace, NamespaceError};
pub use self::network::{RedisNetwork, RedisStream};
pub use self::probe::RedisProbe;
pub use self::session::RedisError;
pub use self::url::{RedisUrl, RedisUrlError};

/// Where a Redis is, and what may be expected of it.
#[derive(Clone, Debug)]
pub struct RedisServer {
    /// Its addresses.
    pub url: RedisUrl,
    /// What sets this installation's keys apart from those of others in the same Redis.
    pub namespace: Namespace,
    /// The certificate of the authority that its servers show theirs of, PEM; else the
    /// system's authorities count.
    pub root_certificate: Option<Vec<u8>>,
    /// Who says that it keeps what it acknowledges.
    pub durability: RedisDurability,
}

/// Who says that a Redis keeps what it acknowledges, and evicts nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisDurability {
    /// Redis itself: it is asked for its settings at each connection.
    Checked,
    /// The operator. For services that hide their settings (`CONFIG`). If it is not so,
    /// tokens can be used again after a restart of Redis.
    DangerouslyVouchedFor,
}

/// Remembers spent nonces in Redis, for as many servers as share it.
///
/// # One entry, one round trip
/// `SET key attempt NX PX lifetime GET` enters a use once, whoever tries, and answers with
/// the attempt that was there before. What follows it in the same round trip tells whether
/// the master had its memory and the time right when it did so. A connection that broke
/// leaves it open whether the entry was made: the guard tries again under the same attempt,
/// and knows its own.
///
/// # What Redis may have forgotten
/// As long as one process runs, with `appendfsync always` and `noeviction` (both are checked
/// with each connection), nothing it acknowledged is lost. After any change of that process,
/// of its replication history or of the cluster's layout, after a step of its clock, and with
/// a Redis that knows nothing or too little of this installation, tokens that may have been
/// accepted before are refused as [`GuardError::MayHaveBeenUsed`] until the tolerance has
/// passed.
///
/// # When Redis is away
/// Uses are refused as [`GuardError::Unavailable`], while a task of the guard's own connects
/// again. Put a [`CircuitBreaker`](super::CircuitBreaker) around it, so that they do not wait
/// each.
pub struct RedisReplayGuard {
    guard: SharedGuard<RedisRegister>,
    memory: watch::Receiver<Memory>,
}

impl RedisReplayGuard {
    /// Connects, and starts the task that keeps connected, in the current runtime. It ends
    /// when the guard is dropped.
    ///
    /// # Errors
    /// [`RedisError`] if Redis answers and will not do, also if the other servers remember for
    /// too short a tolerance. If it cannot be reached the guard
    /// starts all the same, and has nothing accepted until it can.
    pub async fn start(
        (server, tolerance): (RedisServer, impl Into<SharedTolerance>),
        limits: (ReplayLimits, SharedLimits),
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, RedisError> {
        Self::connect(None, (server, tolerance.into()), limits, (clock, random)).await
    }

    /// The same over another network than the operating system's.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_over(
        network: Arc<dyn RedisNetwork>,
        (server, tolerance): (RedisServer, impl Into<SharedTolerance>),
        limits: (ReplayLimits, SharedLimits),
        surroundings: (Arc<dyn Clock>, Arc<dyn Random>),
    ) -> Result<Self, RedisError> {
        Self::connect(Some(network), (server, tolerance.into()), limits, surroundings).await
    }

    async fn connect(
        network: Option<Arc<dyn RedisNetwork>>,
        (server, tolerance): (RedisServer, SharedTolerance),
        limits: (ReplayLimits, SharedLimits),
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    ) -> Result<Self, RedisError> {
        let namespace = server.namespace.clone();
        let opener = session::Opener::new(
            network,
            server,
            tolerance,
            limits.1,
            (Arc::clone(&clock), Arc::clone(&random)),
        );
        let link = Link::start(opener).await?;
        let memory = link.memory();
        let register = RedisRegister::new(link, namespace, Arc::clone(&clock));
        Ok(Self { guard: SharedGuard::new(register, limits, clock, random), memory })
    }

    /// Which Redis it is: unknown until it was reached for the first time, and another if that
    /// is found at its address. All servers that reach the same, by whatever address, say the same.
    pub fn memory(&self) -> watch::Receiver<Memory> {
        self.memory.clone()
    }
}

#[async_trait]
impl ReplayGuard for RedisReplayGuard {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        self.guard.spend(spend).await
    }

    async fn check(&self) -> Result<(), GuardError> {
        self.guard.check().await
    }

    fn waits_until(&self) -> Option<UnixTime> {
        self.guard.waits_until()
    }

    fn live_uses(&self) -> Option<usize> {
        self.guard.live_uses()
    }
}

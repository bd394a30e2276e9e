//! Connections to all masters that were opened together, and are beyond doubt together.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{GuardError, NONCE_RETENTION_MARGIN, Spend};
use countersign_core::{Clock, UnixTime};
use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use super::epoch::{Epoch, Namespace};
use super::masters::{Dialer, Master};
use super::network::RedisNetwork;
use super::survey::{Identity, survey};
use super::url::Topology;
use super::{RedisDurability, RedisServer};
use crate::replay::hold;
use crate::replay::limits::SharedLimits;

/// Why Redis is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// It answers, and could forget spent nonces: its operator must change that.
    #[error("Redis will not do: {0}")]
    Unfit(String),
    /// It cannot be reached, or does not answer as Redis does.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
}

impl RedisError {
    pub(super) fn unexpected(command: &str) -> Self {
        Self::Unreachable(format!("its answer to {command} is not understood"))
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        let is_refused = error.kind() == redis::ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("NOAUTH" | "NOPERM" | "WRONGPASS"));
        let said = error.to_string();
        if is_refused { Self::Unfit(said) } else { Self::Unreachable(said) }
    }
}

/// Opens sessions.
pub(super) struct Opener {
    topology: Topology,
    dialer: Dialer,
    namespace: Namespace,
    durability: RedisDurability,
    tolerance: Duration,
    clock: Arc<dyn Clock>,
}

impl Opener {
    /// An opener for this Redis.
    pub(super) fn new(
        network: Option<Arc<dyn RedisNetwork>>,
        server: RedisServer,
        tolerance: Duration,
        limits: SharedLimits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            topology: server.url.0,
            dialer: Dialer::new(network, server.root_certificate, limits),
            namespace: server.namespace,
            durability: server.durability,
            tolerance,
            clock,
        }
    }

    /// Connects to all masters and finds out since when they have remembered every use.
    /// `before` is what the last session was with.
    pub(super) async fn open(&self, before: Option<&Identity>) -> Result<Session, RedisError> {
        let masters = self.dialer.masters(&self.topology).await?;
        let identity = survey(&masters, self.durability).await?;
        let mut session = Session {
            masters,
            // Replaced below.
            epoch: Epoch {
                identity: identity.clone(),
                since: self.clock.now(),
                tolerance: self.tolerance,
            },
            over: CancellationToken::new(),
        };
        let written = self.read_epoch(&session).await?;
        // After everything that a forgotten use could have been accepted by.
        let here_and_now = (self.tolerance, self.clock.now());
        let (epoch, is_new) = Epoch::next(written, identity, before, here_and_now);
        if is_new {
            let key = self.namespace.epoch_key();
            let mut connection = session.connection(key.as_bytes())?;
            let text = epoch.to_string();
            let () = redis::cmd("SET").arg(key).arg(text).query_async(&mut connection).await?;
        }
        session.epoch = epoch;
        Ok(session)
    }

    /// Whether a session is still what it was when it was opened.
    pub(super) async fn verify(&self, session: &Session) -> Result<(), RedisError> {
        let identity = survey(&session.masters, self.durability).await?;
        if identity != session.epoch.identity {
            return Err(RedisError::Unreachable("it has become another".to_owned()));
        }
        let written = self.read_epoch(session).await?;
        let is_same = |written: Epoch| {
            written.identity == identity && written.tolerance == session.epoch.tolerance
        };
        if !written.is_some_and(is_same) {
            return Err(RedisError::Unreachable("it has forgotten what it was".to_owned()));
        }
        Ok(())
    }

    async fn read_epoch(&self, session: &Session) -> Result<Option<Epoch>, RedisError> {
        let key = self.namespace.epoch_key();
        let mut connection = session.connection(key.as_bytes())?;
        let text: Option<String> = redis::cmd("GET").arg(key).query_async(&mut connection).await?;
        Ok(text.as_deref().and_then(Epoch::read))
    }
}

/// Connections to all masters. It is never mended: what a broken connection, another layout
/// or another process leaves in doubt is judged anew by opening the next.
pub(super) struct Session {
    masters: Vec<Master>,
    pub(super) epoch: Epoch,
    over: CancellationToken,
}

impl Session {
    /// The connection to whoever takes a key.
    pub(super) fn connection(&self, key: &[u8]) -> Result<MultiplexedConnection, RedisError> {
        let master = self.masters.iter().find(|master| master.takes(key));
        let master = master.ok_or_else(|| {
            RedisError::Unreachable("nobody in the cluster takes this key".to_owned())
        })?;
        Ok(master.connection.clone())
    }

    /// Refuses what may have been accepted and forgotten.
    pub(super) fn judge(&self, spend: &Spend<'_>, now: UnixTime) -> Result<(), GuardError> {
        let reach = self.epoch.tolerance + NONCE_RETENTION_MARGIN;
        hold::judge(spend, (self.epoch.since, reach), now).map_err(|held| {
            held.because(
                "Redis may have forgotten the token: it has restarted, has failed over or is new",
            )
        })
    }

    /// Ends it: no answer from it counts from now on.
    pub(super) fn end(&self) {
        self.over.cancel();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) {
        self.over.cancelled().await;
    }
}

//! Connections for what Redis may forget: other than a session's they are not judged, and
//! what comes over them proves nothing.

use std::sync::OnceLock;

use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use super::RedisServer;
use super::masters::{Dialer, Master};
use super::session::RedisError;
use super::url::Topology;
use crate::replay::limits::SharedLimits;

/// How to connect.
pub(crate) struct Dialing {
    topology: Topology,
    dialer: Dialer,
}

/// Connections to all masters, until one of them fails.
pub(crate) struct Connections {
    masters: Vec<Master>,
    failure: OnceLock<RedisError>,
    over: CancellationToken,
}

impl Dialing {
    pub(crate) fn new(server: &RedisServer, limits: SharedLimits) -> Self {
        let dialer = Dialer::new(None, server.root_certificate.clone(), limits);
        Self { topology: server.url.0.clone(), dialer }
    }

    pub(crate) async fn connect(&self) -> Result<Connections, RedisError> {
        let masters = self.dialer.masters(&self.topology).await?;
        Ok(Connections { masters, failure: OnceLock::new(), over: CancellationToken::new() })
    }
}

impl Connections {
    /// Each of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = MultiplexedConnection> {
        self.masters.iter().map(|master| master.connection.clone())
    }

    /// The one to whoever takes a key.
    pub(crate) fn to(&self, key: &[u8]) -> Result<MultiplexedConnection, RedisError> {
        let master = self.masters.iter().find(|master| master.takes(key));
        let nobody = || RedisError::Unreachable("nobody in the cluster takes this key".to_owned());
        master.map(|master| master.connection.clone()).ok_or_else(nobody)
    }

    /// Has others opened in their place.
    pub(crate) fn give_up(&self, failure: RedisError) {
        // The first says best what happened.
        let _ = self.failure.set(failure);
        self.over.cancel();
    }

    /// Waits until one has failed.
    pub(crate) async fn given_up(&self) -> RedisError {
        self.over.cancelled().await;
        let failure = self.failure.get().cloned();
        failure.unwrap_or_else(|| RedisError::Unreachable("a connection was lost".to_owned()))
    }
}

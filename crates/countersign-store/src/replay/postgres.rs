//! The replay guard that servers share through PostgreSQL.
//!
//! A use goes into the queue of `writer`, which enters whatever waits with one statement for
//! each of the `buckets` that it falls into, over the connection of a `session`. A session
//! that is in doubt ends, and the next finds out since when the database has remembered
//! every use.

mod buckets;
mod epoch;
mod session;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::ports::{GuardError, NONCE_RETENTION_MARGIN, ReplayGuard, Spend};
use countersign_core::{Clock, Random, UnixTime};
use tokio::sync::{mpsc, oneshot, watch};

use self::epoch::Epoch;
use self::session::Opener;
use self::writer::{Waiting, Writer};
use super::limits::{ReplayLimits, SharedLimits, SharedTolerance};
use super::shared::{Attempt, Register, SharedGuard};
use crate::sql::PostgresServer;

/// Its statements, by name, to be kept with those of the store.
#[cfg(test)]
pub(crate) fn statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    session::ALL.into_iter().chain(buckets::ALL)
}

/// A database in which spent nonces could be lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database will not do for spent nonces: {0}")]
pub struct UnfitDatabase(String);

/// Remembers spent nonces in PostgreSQL, for as many servers as share it.
///
/// # Grouped
/// One task enters all uses that have gathered while the last statement was at work:
/// `INSERT ... SELECT unnest(...) ON CONFLICT DO NOTHING RETURNING`, with an id for each
/// attempt, so that one whose connection broke knows its own entry again.
///
/// # Expiry
/// Uses stand in eight buckets by their token's time. The next in turn is emptied as a whole
/// (`TRUNCATE`) by whoever needs it first, when nothing in it can be accepted any more, and
/// each statement says which time it takes its bucket to be for: what comes late enters none.
///
/// # What the database may have forgotten
/// The tables are logged, and `synchronous_commit` is on, which is seen to with each
/// connection. After a failover (another timeline), in another cluster, at the first contact
/// and where the log is shorter than it was, tokens that may have been accepted before are
/// refused as [`GuardError::MayHaveBeenUsed`] until the tolerance has passed.
pub struct PostgresReplayGuard(SharedGuard<Queue>);

impl PostgresReplayGuard {
    /// Connects, and starts the task that writes, in the current runtime. It ends when the
    /// guard is dropped.
    ///
    /// # Errors
    /// [`UnfitDatabase`], also if the others remember for too short a tolerance. If the
    /// database cannot be reached the guard starts all the same, and has nothing accepted
    /// until it can.
    pub async fn start(
        (server, tolerance): (PostgresServer, impl Into<SharedTolerance>),
        limits: (ReplayLimits, SharedLimits),
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, UnfitDatabase> {
        let opener = Opener::new(server, limits.1, Arc::clone(&clock));
        let (line, waiting) = mpsc::channel(limits.1.waiting.max(1));
        let (writer, epoch) = Writer::start(opener, tolerance.into()).await?;
        tokio::spawn(writer.run(waiting));
        let queue = Queue { line, epoch, clock: Arc::clone(&clock) };
        Ok(Self(SharedGuard::new(queue, limits, clock, random)))
    }
}

#[async_trait]
impl ReplayGuard for PostgresReplayGuard {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        self.0.spend(spend).await
    }

    async fn check(&self) -> Result<(), GuardError> {
        self.0.check().await
    }

    fn waits_until(&self) -> Option<UnixTime> {
        self.0.waits_until()
    }

    fn live_uses(&self) -> Option<usize> {
        self.0.live_uses()
    }
}

/// The way to the task that writes.
struct Queue {
    line: mpsc::Sender<Waiting>,
    /// The present epoch, or why the database is not used.
    epoch: watch::Receiver<Result<Epoch, String>>,
    clock: Arc<dyn Clock>,
}

impl Queue {
    fn epoch(&self) -> Result<Epoch, GuardError> {
        self.epoch.borrow().clone().map_err(GuardError::Unavailable)
    }
}

#[async_trait]
impl Register for Queue {
    fn admit(&self, spend: &Spend<'_>, now: UnixTime) -> Result<(), GuardError> {
        self.epoch()?.judge(spend, now)
    }

    async fn enter(&self, spend: &Spend<'_>, attempt: Attempt) -> Result<(), GuardError> {
        if spend.tolerance > self.epoch()?.tolerance {
            // Its time may lie where a bucket is for another.
            return Err(GuardError::Unavailable(
                "a token's tolerance is wider than the guard was told".to_owned(),
            ));
        }
        let (done, answer) = oneshot::channel();
        let waiting = Waiting { key: spend.key, time: spend.time, attempt, done };
        let full = |_| GuardError::Unavailable("too many uses wait for the database".to_owned());
        self.line.try_send(waiting).map_err(full)?;
        let ended = |_| GuardError::Unavailable("the writer has ended".to_owned());
        // Under whichever epoch it was entered, it may be one that was forgotten before.
        answer.await.map_err(ended)??.judge(spend, self.clock.now())
    }

    fn forgotten_until(&self) -> Option<UnixTime> {
        let epoch = self.epoch().ok()?;
        Some(epoch.since + epoch.tolerance + NONCE_RETENTION_MARGIN)
    }

    fn check(&self) -> Result<(), GuardError> {
        self.epoch().map(drop)
    }
}

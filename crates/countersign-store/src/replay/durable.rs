//! The replay guard that survives a `kill -9`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{GuardError, ReplayGuard, Spend};
use countersign_core::{Clock, Random};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::journal::{JournalError, NonceJournal, RecordedUse};
use super::limits::{JournalLimits, ReplayLimits};
use super::scribe::{Scribe, Waiting};
use super::wheel::ReplayWheel;

/// Why a durable guard could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read back which tokens were used: {0}")]
pub struct OpenError(#[from] JournalError);

/// Remembers spent nonces across the end of the process.
///
/// # One judge, one scribe
/// The wheel alone judges: of all callers with the same use exactly one gets
/// past it. That one's use then goes into a journal, and is accepted only after
/// the commit. A task of its own writes: it takes all uses that have gathered
/// while the last commit was at work, and writes them in one statement, so that
/// a commit costs about the same at one caller as at a hundred.
///
/// # Why a journal and not a table of nonces
/// A table with the nonce as its primary key would judge by itself. But nonces
/// are random, so every insert would touch another page of a tree that no longer
/// fits the cache once it holds ten million of them, and every expiry would
/// again. A journal is only ever appended to, read once at start, and deleted
/// from in stretches: it does not get slower as it grows. The price is that one
/// process must own it, which is so for an embedded database anyway (the data
/// directory is locked); a cluster needs a guard that judges in the database.
///
/// # When things go wrong
/// - The commit fails or takes too long: the caller gets
///   [`GuardError::Unavailable`] and the use stays spent in the wheel, because
///   nobody knows whether it was written. The next batch tries again.
/// - The caller goes away while it waits: likewise spent.
/// - The process is killed before the commit: the caller never got an answer,
///   and the token may be used after the restart, once.
/// - The clock is set back: what the wheel had dropped is refused, and each
///   batch records how far that goes, so it is refused after a restart too.
pub struct DurableReplayGuard {
    wheel: Arc<ReplayWheel>,
    queue: mpsc::Sender<Waiting>,
    failing: Arc<AtomicBool>,
}

impl DurableReplayGuard {
    /// Reads the journal back into a new wheel and starts the task that writes
    /// it, in the current runtime. The task ends when the guard is dropped.
    ///
    /// # Errors
    /// [`OpenError`] if the journal cannot be read; to answer without knowing
    /// what was spent would accept replays.
    pub async fn open(
        journal: Arc<dyn NonceJournal>,
        limits: (ReplayLimits, JournalLimits),
        clock: Arc<dyn Clock>,
        random: &dyn Random,
    ) -> Result<Self, OpenError> {
        let (wheel_limits, journal_limits) = limits;
        let now = clock.now();
        let wheel = Arc::new(ReplayWheel::new(wheel_limits, clock, random));
        let mut restore = |recorded: RecordedUse, until| {
            wheel.restore(recorded.key, recorded.time, until);
        };
        let recovered = journal.load(now, &mut restore).await?;
        if let Some(skipped) = recovered.skipped_through {
            wheel.refuse_before(skipped + Duration::from_micros(1));
        }
        if let Some(refused_before) = recovered.refused_before {
            wheel.refuse_before(refused_before);
        }
        wheel.sweep();
        let (queue, waiting) = mpsc::channel(journal_limits.queue.max(1));
        let scribe = Scribe::new(Arc::clone(&wheel), journal, journal_limits, &recovered);
        let failing = scribe.failing();
        tokio::spawn(scribe.run(waiting, wheel_limits.slot));
        Ok(Self { wheel, queue, failing })
    }

    /// The wheel that judges, for its counters.
    pub fn wheel(&self) -> &ReplayWheel {
        &self.wheel
    }
}

#[async_trait]
impl ReplayGuard for DurableReplayGuard {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        // The place in the queue comes first: a token that finds none is unspent.
        let place = self.queue.try_reserve().map_err(|error| match error {
            TrySendError::Full(()) => unavailable("too many uses wait for the journal"),
            TrySendError::Closed(()) => unavailable("the journal's writer has ended"),
        })?;
        self.wheel.record(&spend)?;
        let (written, outcome) = oneshot::channel();
        let recorded = RecordedUse { key: spend.key, time: spend.time };
        place.send(Waiting { recorded, until: spend.remember_until(), written });
        match outcome.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(GuardError::Unavailable(error.to_string())),
            Err(_) => Err(unavailable("the journal's writer has ended")),
        }
    }

    async fn check(&self) -> Result<(), GuardError> {
        if self.queue.is_closed() {
            return Err(unavailable("the journal's writer has ended"));
        }
        if self.failing.load(Ordering::Relaxed) {
            return Err(unavailable("the last write to the journal failed"));
        }
        Ok(())
    }

    fn live_uses(&self) -> Option<usize> {
        Some(self.wheel.len())
    }
}

fn unavailable(why: &str) -> GuardError {
    GuardError::Unavailable(why.to_owned())
}

//! The task that writes the journal of a durable guard.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_core::UnixTime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::journal::{JournalBatch, JournalError, NonceJournal, RecordedUse, Recovered};
use super::limits::JournalLimits;
use super::wheel::ReplayWheel;
use crate::gather::gather;

/// The shortest interval at which the wheel is swept.
const SHORTEST_SWEEP: Duration = Duration::from_millis(1);

/// A use that the wheel has recorded, on its way into the journal.
pub(super) struct Waiting {
    /// What is to be written.
    pub(super) recorded: RecordedUse,
    /// The instant up to which it must be remembered.
    pub(super) until: UnixTime,
    /// Told once the commit has succeeded or failed. Nobody may be listening.
    pub(super) written: oneshot::Sender<Result<(), JournalError>>,
}

/// Gathers waiting uses into batches and writes one batch at a time.
pub(super) struct Scribe {
    wheel: Arc<ReplayWheel>,
    journal: Arc<dyn NonceJournal>,
    limits: JournalLimits,
    /// Whether the last write failed, until callers should try again.
    failing: Arc<AtomicBool>,
    /// The `refused_before` of the last batch that was written.
    stamped: UnixTime,
    /// Batches up to here have been deleted.
    pruned: UnixTime,
}

impl Scribe {
    pub(super) fn new(
        wheel: Arc<ReplayWheel>,
        journal: Arc<dyn NonceJournal>,
        limits: JournalLimits,
        recovered: &Recovered,
    ) -> Self {
        let never = UnixTime::from_micros(i64::MIN);
        let stamped = recovered.refused_before.unwrap_or(never);
        let failing = Arc::new(AtomicBool::new(false));
        Self { wheel, journal, limits, failing, stamped, pruned: never }
    }

    /// Says whether the last write failed. Forgets it after a while, so that a
    /// server nobody sends requests to because of it gets another chance.
    pub(super) fn failing(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.failing)
    }

    /// Writes what arrives until the guard at the other end of `queue` is gone,
    /// and sweeps the wheel at an interval, whether or not anything arrives.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Waiting>, sweep: Duration) {
        let mut ticks = tokio::time::interval(sweep.max(SHORTEST_SWEEP));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first is due after the interval and not at once.
        ticks.reset();
        let mut gathered = Vec::new();
        loop {
            tokio::select! {
                count = queue.recv_many(&mut gathered, self.limits.batch.max(1)) => {
                    if count == 0 {
                        return;
                    }
                    gather(&mut queue, &mut gathered, self.limits.batch).await;
                    self.write(&mut gathered).await;
                }
                _ = ticks.tick() => {
                    self.failing.store(false, Ordering::Relaxed);
                    self.wheel.sweep();
                    self.stamp().await;
                }
            }
            while self.prune().await && queue.is_empty() {}
        }
    }

    /// Writes a batch and tells those who wait for it.
    async fn write(&mut self, gathered: &mut Vec<Waiting>) {
        let outcome = match self.batch(gathered) {
            Some(batch) => self.append(batch).await,
            None => Ok(()),
        };
        if let Err(error) = &outcome {
            tracing::error!(%error, uses = gathered.len(), "spent nonces were not recorded");
        }
        for waiting in gathered.drain(..) {
            // A caller that has gone away is not told.
            let _ = waiting.written.send(outcome.clone());
        }
    }

    fn batch(&self, gathered: &[Waiting]) -> Option<JournalBatch> {
        let times = gathered.iter().map(|waiting| waiting.recorded.time);
        Some(JournalBatch {
            uses: gathered.iter().map(|waiting| waiting.recorded).collect(),
            oldest_time: times.clone().min()?,
            newest_time: times.max()?,
            expires_at: gathered.iter().map(|waiting| waiting.until).max()?,
            refused_before: self.wheel.refused_before(),
        })
    }

    /// Records how far the wheel has dropped its slots, if no batch of uses has
    /// come along to carry it.
    async fn stamp(&mut self) {
        let refused_before = self.wheel.refused_before();
        if refused_before <= self.stamped {
            return;
        }
        let gone = refused_before - Duration::from_micros(1);
        let batch = JournalBatch {
            uses: Vec::new(),
            oldest_time: gone,
            newest_time: gone,
            expires_at: gone,
            refused_before,
        };
        if let Err(error) = self.append(batch).await {
            tracing::warn!(%error, "the journal of spent nonces cannot be tidied up");
        }
    }

    /// Deletes some of the batches whose uses the wheel has dropped, once it is
    /// on record that they are refused. Returns whether to go on.
    async fn prune(&mut self) -> bool {
        if self.stamped <= self.pruned {
            return false;
        }
        match self.in_time(self.journal.prune(self.stamped)).await {
            Ok(true) => true,
            Ok(false) => {
                self.pruned = self.stamped;
                false
            }
            Err(error) => {
                tracing::warn!(%error, "expired nonces were not deleted");
                false
            }
        }
    }

    async fn append(&mut self, batch: JournalBatch) -> Result<(), JournalError> {
        let refused_before = batch.refused_before;
        let outcome = self.in_time(self.journal.append(batch)).await;
        self.failing.store(outcome.is_err(), Ordering::Relaxed);
        outcome?;
        self.stamped = refused_before;
        Ok(())
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, JournalError>>,
    ) -> Result<T, JournalError> {
        let limit = self.limits.commit;
        tokio::time::timeout(limit, work).await.unwrap_or(Err(JournalError::TooSlow(limit)))
    }
}

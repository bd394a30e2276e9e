//! A journal in memory that can be told to fail or to hang.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_core::UnixTime;
use countersign_store::replay::{JournalBatch, JournalError, NonceJournal, RecordedUse, Recovered};
use tokio::sync::watch;

/// What the journal does when it is asked to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Works,
    Fails,
    /// Answers nothing until that changes.
    Hangs,
}

/// Keeps batches for as long as the value lives, so that a guard can be opened
/// over it again.
pub(crate) struct MemoryJournal {
    batches: Mutex<Vec<JournalBatch>>,
    health: watch::Sender<Health>,
}

impl MemoryJournal {
    pub(crate) fn new() -> Arc<Self> {
        let health = watch::Sender::new(Health::Works);
        Arc::new(Self { batches: Mutex::default(), health })
    }

    pub(crate) fn set(&self, health: Health) {
        self.health.send_replace(health);
    }

    /// The sizes of the batches of uses, in the order of writing.
    pub(crate) fn batch_sizes(&self) -> Vec<usize> {
        let batches = self.batches.lock().unwrap();
        batches.iter().map(|batch| batch.uses.len()).filter(|size| *size > 0).collect()
    }

    async fn healthy(&self) -> Result<(), JournalError> {
        let mut health = self.health.subscribe();
        let settled = health.wait_for(|health| *health != Health::Hangs).await.unwrap();
        match *settled {
            Health::Works => Ok(()),
            _ => Err(JournalError::Storage("told to fail".to_owned())),
        }
    }
}

#[async_trait]
impl NonceJournal for MemoryJournal {
    async fn load(
        &self,
        now: UnixTime,
        each: &mut (dyn FnMut(RecordedUse, UnixTime) + Send),
    ) -> Result<Recovered, JournalError> {
        self.healthy().await?;
        let batches = self.batches.lock().unwrap();
        let live = batches.iter().filter(|batch| batch.expires_at >= now);
        let oldest_live = live.map(|batch| batch.oldest_time).min();
        let is_skipped =
            |batch: &&JournalBatch| oldest_live.is_none_or(|oldest| batch.newest_time < oldest);
        for batch in batches.iter().filter(|batch| !is_skipped(batch)) {
            batch.uses.iter().for_each(|recorded| each(*recorded, batch.expires_at));
        }
        Ok(Recovered {
            refused_before: batches.iter().map(|batch| batch.refused_before).max(),
            skipped_through: batches.iter().filter(is_skipped).map(|batch| batch.newest_time).max(),
        })
    }

    async fn append(&self, batch: JournalBatch) -> Result<(), JournalError> {
        self.healthy().await?;
        self.batches.lock().unwrap().push(batch);
        Ok(())
    }

    async fn prune(&self, time: UnixTime) -> Result<bool, JournalError> {
        self.healthy().await?;
        let mut batches = self.batches.lock().unwrap();
        let last = batches.pop();
        batches.retain(|batch| batch.newest_time >= time);
        batches.extend(last);
        Ok(false)
    }
}

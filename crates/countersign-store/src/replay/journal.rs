//! What a durable guard needs of its storage.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::UnixTime;
use countersign_core::ports::ReplayKey;

/// One accepted use, as a journal keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedUse {
    /// The use.
    pub key: ReplayKey,
    /// The token's own `time`.
    pub time: UnixTime,
}

/// Uses that are written together, in one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalBatch {
    /// The uses, in no order. Empty in a batch that only carries
    /// [`refused_before`](Self::refused_before).
    pub uses: Vec<RecordedUse>,
    /// The earliest `time` among the uses.
    pub oldest_time: UnixTime,
    /// The latest `time` among the uses.
    pub newest_time: UnixTime,
    /// The instant up to which every one of the uses must be remembered.
    pub expires_at: UnixTime,
    /// Tokens with an earlier `time` are refused, remembered or not.
    pub refused_before: UnixTime,
}

/// What a journal knows besides the uses themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The latest [`refused_before`](JournalBatch::refused_before) of all
    /// batches.
    pub refused_before: Option<UnixTime>,
    /// The latest `time` among the uses that were not read.
    pub skipped_through: Option<UnixTime>,
}

/// Why a journal could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The storage failed.
    #[error("the journal of spent nonces failed: {0}")]
    Storage(String),
    /// The storage did not answer in time.
    #[error("the journal of spent nonces did not answer within {0:?}")]
    TooSlow(Duration),
    /// Another process, or another guard of this one, has it.
    #[error("the journal of spent nonces is in use: somebody holds {}", .0.display())]
    InUse(PathBuf),
    /// A batch does not have the form in which batches are written.
    #[error("batch {batch} in the journal of spent nonces is damaged")]
    Damaged {
        /// Which batch, by the storage's own number.
        batch: i64,
    },
}

/// Keeps batches of spent nonces across the end of the process.
///
/// A journal belongs to one guard at a time; what keeps a second process away
/// from it is the lock on the data directory.
#[async_trait]
pub trait NonceJournal: Send + Sync {
    /// Hands every use to `each`, with its batch's `expires_at`, in any order.
    ///
    /// What is older than any use that has not expired at `now` need not be
    /// read: batches whose `newest_time` is before the `oldest_time` of every
    /// batch whose `expires_at` is `now` or later. What is not older must be,
    /// expired or not, because a longer tolerance may still ask for it.
    ///
    /// # Errors
    /// [`JournalError`] if not all of them could be read.
    async fn load(
        &self,
        now: UnixTime,
        each: &mut (dyn FnMut(RecordedUse, UnixTime) + Send),
    ) -> Result<Recovered, JournalError>;

    /// Writes a batch, in one commit that outlives a kill of the process.
    ///
    /// The future may be dropped before it is ready; whether the batch is then
    /// written does not matter.
    ///
    /// # Errors
    /// [`JournalError`] if the batch may not have been written.
    async fn append(&self, batch: JournalBatch) -> Result<(), JournalError>;

    /// Deletes some of the batches whose `newest_time` is before `time`, but
    /// never the one appended last; returns whether more may be left.
    ///
    /// It is called only after a batch whose `refused_before` is at least
    /// `time` has been appended, and takes a few milliseconds at most.
    ///
    /// # Errors
    /// [`JournalError`] if the storage failed; they may then still be there.
    async fn prune(&self, time: UnixTime) -> Result<bool, JournalError>;
}

//! The journal in an SQL database.

use async_trait::async_trait;
use countersign_core::UnixTime;
use countersign_core::ports::ReplayKey;
use futures_util::TryStreamExt;
use sqlx::Row;

use super::journal::{JournalBatch, JournalError, NonceJournal, RecordedUse, Recovered};
use crate::sql::Database;

/// Bytes of one use: its key and its time.
const ENTRY_BYTES: usize = 24;
/// The most batches that one [`prune`](NonceJournal::prune) deletes, so that no
/// caller waits long for it.
const PRUNED_AT_ONCE: u64 = 256;

// The newest batch is never deleted, so SQLite numbers them in ascending order.
const APPEND: &str = "INSERT INTO countersign_spent_nonces \
    (newest_time, expires_at, refused_before, entries) VALUES ($1, $2, $3, $4)";
const LOAD: &str = "SELECT id, newest_time, expires_at, refused_before, entries \
    FROM countersign_spent_nonces ORDER BY id";
const PRUNE: &str = "DELETE FROM countersign_spent_nonces WHERE id IN (\
    SELECT id FROM countersign_spent_nonces \
    WHERE newest_time < $1 AND id < (SELECT MAX(id) FROM countersign_spent_nonces) \
    ORDER BY newest_time LIMIT $2)";

/// Keeps the journal in the table `countersign_spent_nonces`.
#[derive(Clone, Debug)]
pub struct SqlJournal {
    database: Database,
}

impl SqlJournal {
    /// The journal in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl NonceJournal for SqlJournal {
    async fn load(
        &self,
        now: UnixTime,
        each: &mut (dyn FnMut(RecordedUse, UnixTime) + Send),
    ) -> Result<Recovered, JournalError> {
        let mut recovered = Recovered::default();
        let mut batches = sqlx::query(LOAD).fetch(self.database.writer());
        while let Some(row) = batches.try_next().await? {
            let instant = |column| row.try_get(column).map(UnixTime::from_micros);
            recovered.refused_before =
                recovered.refused_before.max(Some(instant("refused_before")?));
            let expires_at = instant("expires_at")?;
            if expires_at < now {
                recovered.expired_through =
                    recovered.expired_through.max(Some(instant("newest_time")?));
                continue;
            }
            let (entries, rest) = row.try_get::<&[u8], _>("entries")?.as_chunks::<ENTRY_BYTES>();
            if !rest.is_empty() {
                return Err(JournalError::Damaged { batch: row.try_get("id")? });
            }
            for entry in entries {
                each(decode(entry), expires_at);
            }
        }
        Ok(recovered)
    }

    async fn append(&self, batch: JournalBatch) -> Result<(), JournalError> {
        let mut entries = Vec::with_capacity(batch.uses.len() * ENTRY_BYTES);
        for recorded in &batch.uses {
            entries.extend_from_slice(recorded.key.as_bytes());
            entries.extend_from_slice(&recorded.time.as_micros().to_be_bytes());
        }
        sqlx::query(APPEND)
            .bind(batch.newest_time.as_micros())
            .bind(batch.expires_at.as_micros())
            .bind(batch.refused_before.as_micros())
            .bind(entries)
            .execute(self.database.writer())
            .await?;
        Ok(())
    }

    async fn prune(&self, time: UnixTime) -> Result<bool, JournalError> {
        let limit = PRUNED_AT_ONCE.cast_signed();
        let query = sqlx::query(PRUNE).bind(time.as_micros()).bind(limit);
        Ok(query.execute(self.database.writer()).await?.rows_affected() == PRUNED_AT_ONCE)
    }
}

fn decode(entry: &[u8; ENTRY_BYTES]) -> RecordedUse {
    let (key, time) = entry.split_at(16);
    // Unwrap safety: 16 and 8 of 24 bytes.
    let key = ReplayKey::from_bytes(key.try_into().expect("16 bytes"));
    let time = i64::from_be_bytes(time.try_into().expect("8 bytes"));
    RecordedUse { key, time: UnixTime::from_micros(time) }
}

impl From<sqlx::Error> for JournalError {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

//! The journal in a SQLite file.

use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use countersign_core::UnixTime;
use countersign_core::ports::ReplayKey;
use futures_util::TryStreamExt;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Row, Sqlite, SqliteConnection};
use tokio::sync::Mutex;

use super::journal::{JournalBatch, JournalError, NonceJournal, RecordedUse, Recovered};
use crate::sql::SqliteFile;

/// Bytes of one use: its key and its time.
const ENTRY_BYTES: usize = 24;
/// The most batches that one [`prune`](NonceJournal::prune) deletes, so that no
/// caller waits long for it.
const PRUNED_AT_ONCE: u64 = 256;

// The newest batch is never deleted, so SQLite numbers them in ascending order.
const APPEND: &str = "INSERT INTO countersign_spent_nonces \
    (oldest_time, newest_time, expires_at, refused_before, entries) VALUES ($1, $2, $3, $4, $5)";
const OLDEST_LIVE: &str =
    "SELECT MIN(oldest_time) FROM countersign_spent_nonces WHERE expires_at >= $1";
const REFUSED: &str = "SELECT MAX(refused_before), MAX(CASE WHEN newest_time < $1 THEN newest_time END) \
    FROM countersign_spent_nonces";
const LOAD: &str = "SELECT id, expires_at, entries FROM countersign_spent_nonces \
    WHERE newest_time >= $1 ORDER BY newest_time";
const PRUNE: &str = "DELETE FROM countersign_spent_nonces WHERE id IN (\
    SELECT id FROM countersign_spent_nonces \
    WHERE newest_time < $1 AND id < (SELECT MAX(id) FROM countersign_spent_nonces) \
    ORDER BY newest_time LIMIT $2)";

/// Keeps the journal in the table `countersign_spent_nonces`.
///
/// It has a connection of its own, because a pool checks its connections before
/// and after each use, which costs more than the statement between.
#[derive(Debug)]
pub struct SqlJournal {
    file: SqliteFile,
    /// Whether, and as long as, others are kept away.
    _lock: Option<File>,
    /// None before the first use and after an error, so that whatever broke the
    /// connection does not outlast it.
    connection: Mutex<Option<SqliteConnection>>,
}

impl SqlJournal {
    /// The journal in this file, from which others are kept away until it is dropped or
    /// the process ends: two guards with one journal would each accept what the other has.
    ///
    /// # Errors
    /// [`JournalError::InUse`] if somebody else has it.
    pub fn exclusive(file: SqliteFile) -> Result<Self, JournalError> {
        let mut path = file.path().as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |error: io::Error| {
            JournalError::Storage(format!("cannot lock {}: {error}", path.display()))
        };
        let lock = File::create(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: Some(lock), ..Self::new(file) }),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path)),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The journal in this file, which nobody else has: the caller sees to that, as a
    /// server does that locks its data directory.
    pub fn new(file: SqliteFile) -> Self {
        Self { file, _lock: None, connection: Mutex::new(None) }
    }

    /// Runs one statement and returns how many rows it changed. If the future is
    /// dropped, the connection first ends what it had begun and then serves the
    /// next statement.
    async fn execute(
        &self,
        statement: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<u64, JournalError> {
        let mut held = self.connection.lock().await;
        let connection = match &mut *held {
            Some(connection) => connection,
            none => none.insert(self.file.connect().await?),
        };
        let outcome = statement.execute(connection).await;
        if outcome.is_err() {
            *held = None;
        }
        Ok(outcome?.rows_affected())
    }
}

#[async_trait]
impl NonceJournal for SqlJournal {
    async fn load(
        &self,
        now: UnixTime,
        each: &mut (dyn FnMut(RecordedUse, UnixTime) + Send),
    ) -> Result<Recovered, JournalError> {
        let mut connection = self.file.connect().await?;
        let oldest_live: Option<i64> = sqlx::query_scalar(OLDEST_LIVE)
            .bind(now.as_micros())
            .fetch_one(&mut connection)
            .await?;
        let oldest_live = oldest_live.unwrap_or(i64::MAX);
        let (refused_before, skipped_through): (Option<i64>, Option<i64>) =
            sqlx::query_as(REFUSED).bind(oldest_live).fetch_one(&mut connection).await?;
        let mut batches = sqlx::query(LOAD).bind(oldest_live).fetch(&mut connection);
        while let Some(row) = batches.try_next().await? {
            let expires_at = UnixTime::from_micros(row.try_get("expires_at")?);
            let (entries, rest) = row.try_get::<&[u8], _>("entries")?.as_chunks::<ENTRY_BYTES>();
            if !rest.is_empty() {
                return Err(JournalError::Damaged { batch: row.try_get("id")? });
            }
            for entry in entries {
                each(decode(entry), expires_at);
            }
        }
        let instant = |micros: Option<i64>| micros.map(UnixTime::from_micros);
        Ok(Recovered {
            refused_before: instant(refused_before),
            skipped_through: instant(skipped_through),
        })
    }

    async fn append(&self, batch: JournalBatch) -> Result<(), JournalError> {
        let mut entries = Vec::with_capacity(batch.uses.len() * ENTRY_BYTES);
        for recorded in &batch.uses {
            entries.extend_from_slice(recorded.key.as_bytes());
            entries.extend_from_slice(&recorded.time.as_micros().to_be_bytes());
        }
        let statement = sqlx::query(APPEND)
            .bind(batch.oldest_time.as_micros())
            .bind(batch.newest_time.as_micros())
            .bind(batch.expires_at.as_micros())
            .bind(batch.refused_before.as_micros())
            .bind(entries);
        self.execute(statement).await?;
        Ok(())
    }

    async fn prune(&self, time: UnixTime) -> Result<bool, JournalError> {
        let limit = PRUNED_AT_ONCE.cast_signed();
        let statement = sqlx::query(PRUNE).bind(time.as_micros()).bind(limit);
        Ok(self.execute(statement).await? == PRUNED_AT_ONCE)
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

//! Refresh tokens in a database, written and read in groups.
//!
//! A commit, or a question, costs about the same for one token and for a hundred, so one
//! task takes whatever is waiting and does it in one statement each. SQLite gets new
//! tokens in [batches](arrivals) first.

mod arrivals;
mod clerk;
mod line;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use countersign_core::ports::{RefreshTokenRecord, RefreshTokenStore, StoreError};
use countersign_core::{SecretHash, UnixTime};
use quick_cache::sync::Cache;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use uuid::fmt::Simple;

use super::database::Database;
use super::query::query;
use super::{statements, unavailable};
use clerk::Clerk;

/// How many errands may wait; more are refused.
const QUEUE: usize = 4096;
/// How many tokens are remembered. A token never changes, so what is remembered stays
/// true until it expires.
const REMEMBERED: usize = 65_536;
/// How many tokens are looked at when expired ones are deleted.
const STRETCH: i64 = 8192;
/// Greater than every hash.
const BEYOND_ALL_HASHES: [u8; 33] = [0xff; 33];

/// Refresh tokens in a SQL database.
#[derive(Debug)]
pub struct SqlRefreshTokens {
    database: Database,
    queue: mpsc::Sender<Errand>,
    remembered: Cache<SecretHash, RefreshTokenRecord>,
    /// The hash up to which expired tokens were deleted. It goes round and round.
    swept: Mutex<Vec<u8>>,
}

/// What is asked of the task that does all of it.
#[derive(Debug)]
enum Errand {
    Add(Asked<RefreshTokenRecord, bool>),
    Find(Asked<SecretHash, Option<RefreshTokenRecord>>),
    /// Sort in whatever has arrived, but for what has expired before; then the sender is
    /// dropped.
    Sort(UnixTime, oneshot::Sender<()>),
}

/// What is asked, and where the answer goes. Nobody may be listening any more.
#[derive(Debug)]
struct Asked<About, Answer> {
    about: About,
    done: oneshot::Sender<Result<Answer, StoreError>>,
}

impl SqlRefreshTokens {
    /// The refresh tokens in this database. Must be called within a tokio runtime; the
    /// task it starts ends with the last errand after this is dropped.
    pub fn new(database: impl Into<Database>) -> Self {
        let database = database.into();
        let (queue, errands) = mpsc::channel(QUEUE);
        tokio::spawn(Clerk::new(database.clone()).work(errands));
        let (remembered, swept) = (Cache::new(REMEMBERED), Mutex::default());
        Self { database, queue, remembered, swept }
    }

    async fn ask<T>(
        &self,
        errand: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Errand,
    ) -> Result<T, StoreError> {
        let (done, outcome) = oneshot::channel();
        let too_many =
            |_| StoreError::Unavailable("too many refresh tokens are waiting".to_owned());
        self.queue.try_send(errand(done)).map_err(too_many)?;
        let ended = |_| StoreError::Unavailable("the database's clerk has ended".to_owned());
        outcome.await.map_err(ended)?
    }

    fn swept(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.swept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RefreshTokenStore for SqlRefreshTokens {
    async fn add_refresh_token(&self, token: RefreshTokenRecord) -> Result<bool, StoreError> {
        let added = self.ask(|done| Errand::Add(Asked { about: token, done })).await?;
        if added {
            self.remembered.insert(token.hash, token);
        }
        Ok(added)
    }

    async fn refresh_token(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<RefreshTokenRecord>, StoreError> {
        if let Some(token) = self.remembered.get(hash) {
            return Ok(Some(token));
        }
        let found = self.ask(|done| Errand::Find(Asked { about: *hash, done })).await?;
        if let Some(token) = found {
            self.remembered.insert(token.hash, token);
        }
        Ok(found)
    }

    /// Looks at the next stretch of all tokens. They lie in the order of their hashes,
    /// so each stretch has its share of those that have expired.
    async fn delete_expired_refresh_tokens(&self, now: UnixTime) -> Result<bool, StoreError> {
        let (done, sorted) = oneshot::channel();
        // If too much is waiting, they are sorted in another time.
        if self.queue.try_send(Errand::Sort(now, done)).is_ok() {
            let _ = sorted.await;
        }
        let before = self.swept().clone();
        let mut writing = self.database.write().await.map_err(unavailable)?;
        let last: Option<(Vec<u8>,)> = query(statements::REFRESH_TOKENS_STRETCH)
            .bind(before.clone())
            .bind(STRETCH - 1)
            .optional(&mut writing)
            .await
            .map_err(unavailable)?;
        let deleted = query(statements::REFRESH_TOKENS_DELETE_EXPIRED)
            .bind(before)
            .bind(last.as_ref().map_or(&BEYOND_ALL_HASHES[..], |(hash,)| hash))
            .bind(now.as_micros())
            .execute(&mut writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await.map_err(unavailable)?;
        let is_more_ahead = last.is_some();
        *self.swept() = last.map(|(hash,)| hash).unwrap_or_default();
        Ok(deleted > 0 && is_more_ahead)
    }
}

/// A token as the statements for whole batches take it.
#[derive(Serialize)]
pub(super) struct Row {
    hash: String,
    api_key: Simple,
    created_at: i64,
    expires_at: i64,
}

impl From<&RefreshTokenRecord> for Row {
    fn from(token: &RefreshTokenRecord) -> Self {
        Self {
            hash: token.hash.to_hex(),
            api_key: token.api_key.0.simple(),
            created_at: token.created_at.as_micros(),
            expires_at: token.expires_at.as_micros(),
        }
    }
}

//! Refresh tokens in a database, written and read in groups.
//!
//! A commit, or a question, costs about the same for one token and for a hundred, so one
//! task takes whatever is waiting and does it in one statement each.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{RefreshTokenRecord, RefreshTokenStore, StoreError};
use countersign_core::{SecretHash, UnixTime};
use quick_cache::sync::Cache;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::database::Database;
use super::query::{Connection, Runs as _, query};
use super::rows::RefreshTokenRow;
use super::{statements, unavailable};

/// How many errands may wait; more are refused.
const QUEUE: usize = 4096;
/// How many are done in one statement.
const BATCH: usize = 256;
/// How long a batch may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many tokens are remembered. A token never changes, so what is remembered stays
/// true until it expires.
const REMEMBERED: usize = 65_536;
/// How many expired tokens are deleted at once.
const DELETED_AT_ONCE: i64 = 500;

/// Refresh tokens in a SQL database.
#[derive(Debug)]
pub struct SqlRefreshTokens {
    database: Database,
    queue: mpsc::Sender<Errand>,
    remembered: Cache<SecretHash, RefreshTokenRecord>,
}

/// What is asked of the task that does all of it.
#[derive(Debug)]
enum Errand {
    Add(Asked<RefreshTokenRecord, bool>),
    Find(Asked<SecretHash, Option<RefreshTokenRecord>>),
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
        let clerk = Clerk { database: database.clone(), connection: None };
        tokio::spawn(clerk.work(errands));
        Self { database, queue, remembered: Cache::new(REMEMBERED) }
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

    async fn delete_expired_refresh_tokens(&self, now: UnixTime) -> Result<bool, StoreError> {
        let mut writing = self.database.write().await.map_err(unavailable)?;
        let deleted = query(statements::REFRESH_TOKENS_DELETE_EXPIRED)
            .bind(now.as_micros())
            .bind(DELETED_AT_ONCE)
            .execute(&mut writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await.map_err(unavailable)?;
        Ok(deleted == DELETED_AT_ONCE.cast_unsigned())
    }
}

/// Does the errands, one batch at a time, on a connection of its own.
struct Clerk {
    database: Database,
    /// None before the first use and after an error, so that whatever broke the
    /// connection does not outlast it.
    connection: Option<Connection>,
}

impl Clerk {
    async fn work(mut self, mut errands: mpsc::Receiver<Errand>) {
        let mut batch = Vec::new();
        while errands.recv_many(&mut batch, BATCH).await > 0 {
            // Lets callers that are just arriving join.
            tokio::task::yield_now().await;
            while batch.len() < BATCH
                && let Ok(errand) = errands.try_recv()
            {
                batch.push(errand);
            }
            let (mut adds, mut finds) = (Vec::new(), Vec::new());
            for errand in batch.drain(..) {
                match errand {
                    Errand::Add(asked) => adds.push(asked),
                    Errand::Find(asked) => finds.push(asked),
                }
            }
            if !adds.is_empty() {
                self.add(adds).await;
            }
            if !finds.is_empty() {
                self.find(finds).await;
            }
        }
    }

    async fn add(&mut self, adds: Vec<Asked<RefreshTokenRecord, bool>>) {
        let tokens: Vec<Row> = adds.iter().map(|asked| (&asked.about).into()).collect();
        let kept = self.run::<(Vec<u8>,)>(&statements::REFRESH_TOKENS_INSERT, &tokens).await;
        let kept = kept.map(|rows| rows.into_iter().map(|(hash,)| hash).collect::<HashSet<_>>());
        for Asked { about: token, done } in adds {
            let is_kept = |kept: &HashSet<Vec<u8>>| kept.contains(token.hash.as_bytes().as_slice());
            let _ = done.send(kept.as_ref().map(is_kept).map_err(StoreError::clone));
        }
    }

    async fn find(&mut self, finds: Vec<Asked<SecretHash, Option<RefreshTokenRecord>>>) {
        let hashes: Vec<String> = finds.iter().map(|asked| asked.about.to_hex()).collect();
        let rows = self.run::<RefreshTokenRow>(&statements::REFRESH_TOKENS_FIND, &hashes).await;
        let found = rows.and_then(|rows| {
            let records = rows.into_iter().map(RefreshTokenRow::record);
            records.map(|record| record.map(|token| (token.hash, token))).collect()
        });
        let found: Result<HashMap<SecretHash, RefreshTokenRecord>, StoreError> = found;
        for Asked { about: hash, done } in finds {
            let one = found.as_ref().map(|found| found.get(&hash).copied());
            let _ = done.send(one.map_err(StoreError::clone));
        }
    }

    /// Runs a statement for a whole batch.
    async fn run<T: super::query::EitherRow>(
        &mut self,
        statement: &statements::ByDialect,
        batch: &impl Serialize,
    ) -> Result<Vec<T>, StoreError> {
        let batch = serde_json::to_string(batch)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let work = async {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                none => none.insert(self.database.connect().await?),
            };
            let sql = connection.choose(statement);
            query(sql).bind(batch).all(connection).await
        };
        let outcome = match tokio::time::timeout(PATIENCE, work).await {
            Ok(outcome) => outcome.map_err(unavailable),
            Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
        };
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }
}

/// A token as the statements for whole batches take it.
#[derive(Serialize)]
pub(super) struct Row {
    hash: String,
    api_key: String,
    created_at: i64,
    expires_at: i64,
}

impl From<&RefreshTokenRecord> for Row {
    fn from(token: &RefreshTokenRecord) -> Self {
        Self {
            hash: token.hash.to_hex(),
            api_key: token.api_key.0.simple().to_string(),
            created_at: token.created_at.as_micros(),
            expires_at: token.expires_at.as_micros(),
        }
    }
}

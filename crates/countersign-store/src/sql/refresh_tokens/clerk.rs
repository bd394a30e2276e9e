//! The task that does what is asked of the refresh tokens.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use countersign_core::SecretHash;
use countersign_core::ports::{RefreshTokenRecord, StoreError};
use tokio::sync::mpsc;

use super::arrivals::Arrivals;
use super::line::Line;
use super::{Asked, Errand, Row};
use crate::gather::gather;
use crate::sql::database::Database;
use crate::sql::rows::RefreshTokenRow;
use crate::sql::statements;

/// How many errands are done in one statement.
const BATCH: usize = 256;
/// How long nobody asks for anything before other work is done.
const IDLE: Duration = Duration::from_millis(5);

/// Does the errands, one batch at a time, on a connection of its own.
pub(super) struct Clerk {
    line: Line,
    /// On SQLite.
    arrivals: Option<Arrivals>,
}

impl Clerk {
    pub(super) fn new(database: Database) -> Self {
        let arrivals = match database {
            Database::Sqlite(_) => Some(Arrivals::default()),
            // Servers that share the database must find each token from now on.
            Database::Postgres(_) => None,
        };
        Self { line: Line::new(database), arrivals }
    }

    pub(super) async fn work(mut self, mut errands: mpsc::Receiver<Errand>) {
        let mut batch = Vec::new();
        while self.wait(&mut errands, &mut batch).await {
            gather(&mut errands, &mut batch, BATCH).await;
            let is_idle = batch.is_empty();
            self.run(batch.drain(..)).await;
            if let Some(arrivals) = &mut self.arrivals {
                arrivals.sort_some(&mut self.line, is_idle).await;
            }
        }
    }

    /// Waits for errands, but not long if there is other work; whether to go on.
    async fn wait(&self, errands: &mut mpsc::Receiver<Errand>, batch: &mut Vec<Errand>) -> bool {
        let arriving = errands.recv_many(batch, BATCH);
        if self.arrivals.as_ref().is_some_and(Arrivals::are_being_sorted) {
            tokio::time::timeout(IDLE, arriving).await.is_err() || !batch.is_empty()
        } else {
            arriving.await > 0
        }
    }

    async fn run(&mut self, errands: impl Iterator<Item = Errand>) {
        let (mut adds, mut finds) = (Vec::new(), Vec::new());
        for errand in errands {
            match errand {
                Errand::Add(asked) => adds.push(asked),
                Errand::Find(asked) => finds.push(asked),
                Errand::Sort(now, done) => {
                    if let Some(arrivals) = &mut self.arrivals {
                        arrivals.sort_all(&self.line, now, done).await;
                    }
                }
            }
        }
        if !adds.is_empty() {
            self.add(adds).await;
        }
        if !finds.is_empty() {
            self.find(finds).await;
        }
    }

    async fn add(&mut self, adds: Vec<Asked<RefreshTokenRecord, bool>>) {
        let tokens: Vec<RefreshTokenRecord> = adds.iter().map(|asked| asked.about).collect();
        let kept = match &mut self.arrivals {
            Some(arrivals) => arrivals.take_in(&mut self.line, tokens).await,
            None => keep(&mut self.line, &tokens).await,
        };
        for Asked { about: token, done } in adds {
            let is_kept = |kept: &HashSet<SecretHash>| kept.contains(&token.hash);
            let _ = done.send(kept.as_ref().map(is_kept).map_err(StoreError::clone));
        }
    }

    async fn find(&mut self, finds: Vec<Asked<SecretHash, Option<RefreshTokenRecord>>>) {
        let hashes: Vec<SecretHash> = finds.iter().map(|asked| asked.about).collect();
        let found = match &mut self.arrivals {
            Some(arrivals) => arrivals.find(&mut self.line, &hashes).await,
            None => find(&mut self.line, &hashes).await,
        };
        for Asked { about: hash, done } in finds {
            let one = found.as_ref().map(|found| found.get(&hash).copied());
            let _ = done.send(one.map_err(StoreError::clone));
        }
    }
}

/// Puts tokens into the table of all of them; the hashes of those that are there then.
async fn keep(
    line: &mut Line,
    tokens: &[RefreshTokenRecord],
) -> Result<HashSet<SecretHash>, StoreError> {
    let rows: Vec<Row> = tokens.iter().map(Row::from).collect();
    let kept = line.execute(&statements::REFRESH_TOKENS_ADD, &rows).await?;
    let hashes = || tokens.iter().map(|token| token.hash);
    if kept == tokens.len() as u64 {
        return Ok(hashes().collect());
    }
    // Keys have been deleted meanwhile, which is rare.
    let hashes: Vec<SecretHash> = hashes().collect();
    Ok(find(line, &hashes).await?.into_keys().collect())
}

/// What the table of all tokens has of these.
pub(super) async fn find(
    line: &mut Line,
    hashes: &[SecretHash],
) -> Result<HashMap<SecretHash, RefreshTokenRecord>, StoreError> {
    let hashes: Vec<String> = hashes.iter().map(SecretHash::to_hex).collect();
    let rows = line.all::<RefreshTokenRow>(&statements::REFRESH_TOKENS_FIND, &hashes).await?;
    let records = rows.into_iter().map(RefreshTokenRow::record);
    records.map(|record| record.map(|token| (token.hash, token))).collect()
}

//! New tokens on their way into SQLite's table of all of them.
//!
//! Their hashes are random, so in that table each new token changes a page of its own,
//! which is written to the log and once more to the file. A batch appended to another
//! table costs a page for fifty. So tokens arrive in batches, are known here until there
//! are many of them, and are then put into the large table in the order of their hashes,
//! where neighbours share their pages.

use std::collections::{HashMap, HashSet};
use std::mem;

use countersign_core::ports::{RefreshTokenRecord, StoreError};
use countersign_core::{AccountId, ApiKeyId, SecretHash, UnixTime};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Row;
use super::clerk::find;
use super::line::Line;
use crate::sql::query::query;
use crate::sql::{statements, unavailable};

/// How many tokens make it worth while to sort them in. With fewer, neighbours are rare
/// in a table of a million.
const MANY: usize = 131_072;
/// How many are sorted in before whoever is waiting gets a turn.
const SORTED_AT_ONCE: usize = 128;
/// While others arrive, this many are sorted in for each [`ARRIVED`] of them: the work is
/// spread evenly, and is done before as many are there again.
const SORTED: usize = 5;
/// See [`SORTED`].
const ARRIVED: usize = 4;
/// An encoded token in bytes: its hash, two ids, two instants.
const ENCODED: usize = 32 + 16 + 16 + 8 + 8;

/// What is known of batches that are not sorted in yet.
#[derive(Default)]
pub(super) struct Arrivals {
    /// Whether those that an earlier process left were read.
    complete: bool,
    /// In batches that wait.
    waiting: HashMap<SecretHash, RefreshTokenRecord>,
    /// The number of the last batch.
    last: i64,
    sorting: Option<Sorting>,
}

/// Batches that are being sorted in.
struct Sorting {
    tokens: HashMap<SecretHash, RefreshTokenRecord>,
    /// Which are not in the large table yet, the greatest hash first.
    left: Vec<SecretHash>,
    /// The number of the last of these batches.
    last: i64,
    /// How many should be sorted in before the next ones arrive.
    due: usize,
    /// Dropped at the end.
    waited_for: Vec<oneshot::Sender<()>>,
}

impl Arrivals {
    /// Writes a batch; the hashes of the tokens whose keys are there.
    pub(super) async fn take_in(
        &mut self,
        line: &mut Line,
        mut tokens: Vec<RefreshTokenRecord>,
    ) -> Result<HashSet<SecretHash>, StoreError> {
        self.complete(line).await?;
        let there = keys_there(line, &tokens).await?;
        tokens.retain(|token| there.contains(&token.api_key));
        if tokens.is_empty() {
            return Ok(HashSet::new());
        }
        let insert = query(statements::ARRIVED_REFRESH_TOKENS_INSERT).bind(encode(&tokens));
        let batch = line.run(async |connection| insert.optional(connection).await).await?;
        self.last = batch.map_or(self.last, |(batch,)| batch);
        let kept = tokens.iter().map(|token| token.hash).collect();
        if let Some(sorting) = &mut self.sorting {
            sorting.due += tokens.len() * SORTED / ARRIVED;
        }
        self.waiting.extend(tokens.into_iter().map(|token| (token.hash, token)));
        if self.waiting.len() >= MANY {
            self.begin_to_sort();
        }
        Ok(kept)
    }

    /// What is known of these hashes, here or in the large table.
    pub(super) async fn find(
        &mut self,
        line: &mut Line,
        hashes: &[SecretHash],
    ) -> Result<HashMap<SecretHash, RefreshTokenRecord>, StoreError> {
        self.complete(line).await?;
        let sorting = self.sorting.as_ref().map(|sorting| &sorting.tokens);
        let (mut found, mut elsewhere) = (HashMap::new(), Vec::new());
        for hash in hashes {
            let here = self.waiting.get(hash).or_else(|| sorting?.get(hash));
            match here {
                Some(token) => drop(found.insert(*hash, *token)),
                None => elsewhere.push(*hash),
            }
        }
        if !elsewhere.is_empty() {
            found.extend(find(line, &elsewhere).await?);
        }
        Ok(found)
    }

    /// Whether there is work for [`sort_some`](Self::sort_some).
    pub(super) fn are_being_sorted(&self) -> bool {
        self.sorting.is_some()
    }

    /// Begins to sort in whatever there is, but for what expired before `now`, and drops
    /// `done` after that.
    pub(super) async fn sort_all(&mut self, line: &Line, now: UnixTime, done: oneshot::Sender<()>) {
        match self.complete(line).await {
            Ok(()) => {
                self.begin_to_sort();
                if let Some(sorting) = &mut self.sorting {
                    sorting.tokens.retain(|_, token| token.expires_at >= now);
                    sorting.waited_for.push(done);
                }
            }
            Err(error) => tracing::warn!(%error, "new refresh tokens could not be read"),
        }
    }

    /// Puts some of the tokens that are being sorted into the large table, if it is due
    /// or there is nothing else to do. If that does not work, they wait again.
    pub(super) async fn sort_some(&mut self, line: &mut Line, is_idle: bool) {
        let Some(sorting) = &mut self.sorting else { return };
        if !is_idle && sorting.due < SORTED_AT_ONCE {
            return;
        }
        match sorting.go_on(line).await {
            Ok(true) => {}
            Ok(false) => self.sorting = None,
            Err(error) => {
                tracing::warn!(%error, "new refresh tokens could not be sorted in");
                let tokens = self.sorting.take().map(|sorting| sorting.tokens);
                self.waiting.extend(tokens.unwrap_or_default());
            }
        }
    }

    fn begin_to_sort(&mut self) {
        if self.sorting.is_some() || self.waiting.is_empty() {
            return;
        }
        let tokens = mem::take(&mut self.waiting);
        let mut left: Vec<SecretHash> = tokens.keys().copied().collect();
        left.sort_unstable_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
        let (last, waited_for) = (self.last, Vec::new());
        self.sorting = Some(Sorting { tokens, left, last, due: 0, waited_for });
    }

    /// Reads the batches that an earlier process left.
    async fn complete(&mut self, line: &Line) -> Result<(), StoreError> {
        if self.complete {
            return Ok(());
        }
        let mut reading = line.database().read().await.map_err(unavailable)?;
        let batches = query(statements::ARRIVED_REFRESH_TOKENS);
        let batches: Vec<(i64, Vec<u8>)> = batches.all(&mut reading).await.map_err(unavailable)?;
        for (batch, tokens) in batches {
            self.last = batch;
            self.waiting.extend(decode(&tokens)?.map(|token| (token.hash, token)));
        }
        self.complete = true;
        Ok(())
    }
}

impl Sorting {
    /// Whether there is more to do.
    async fn go_on(&mut self, line: &mut Line) -> Result<bool, StoreError> {
        self.due = self.due.saturating_sub(SORTED_AT_ONCE);
        let some = self.left.len().saturating_sub(SORTED_AT_ONCE);
        let some: Vec<SecretHash> = self.left.drain(some..).rev().collect();
        if !some.is_empty() {
            // Some may have expired meanwhile.
            let some = some.iter().filter_map(|hash| self.tokens.get(hash));
            let some: Vec<Row> = some.map(Row::from).collect();
            line.execute(&statements::REFRESH_TOKENS_ADD, &some).await?;
            return Ok(true);
        }
        let delete = query(statements::ARRIVED_REFRESH_TOKENS_DELETE).bind(self.last);
        line.run(async |connection| delete.execute(connection).await).await?;
        Ok(false)
    }
}

/// Which of the keys of these tokens are there.
async fn keys_there(
    line: &mut Line,
    tokens: &[RefreshTokenRecord],
) -> Result<HashSet<ApiKeyId>, StoreError> {
    let keys: HashSet<ApiKeyId> = tokens.iter().map(|token| token.api_key).collect();
    let keys: Vec<_> = keys.iter().map(|key| key.0.simple()).collect();
    let there = line.all::<(Option<String>,)>(&statements::API_KEYS_THERE, &keys).await?;
    let mut there = there.into_iter().filter_map(|(ids,)| ids);
    let there = serde_json::from_str::<Vec<Uuid>>(there.next().as_deref().unwrap_or("[]"));
    let there = there.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(there.into_iter().map(ApiKeyId).collect())
}

fn encode(tokens: &[RefreshTokenRecord]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(tokens.len() * ENCODED);
    for token in tokens {
        encoded.extend_from_slice(token.hash.as_bytes());
        encoded.extend_from_slice(token.api_key.0.as_bytes());
        encoded.extend_from_slice(token.account.0.as_bytes());
        encoded.extend_from_slice(&token.created_at.as_micros().to_be_bytes());
        encoded.extend_from_slice(&token.expires_at.as_micros().to_be_bytes());
    }
    encoded
}

fn decode(encoded: &[u8]) -> Result<impl Iterator<Item = RefreshTokenRecord>, StoreError> {
    let (tokens, rest) = encoded.as_chunks::<ENCODED>();
    if !rest.is_empty() {
        let problem = "the database has a batch of refresh tokens that cannot be read";
        return Err(StoreError::Unavailable(problem.to_owned()));
    }
    Ok(tokens.iter().map(|token| {
        let (hash, rest) = take(token);
        let (api_key, rest) = take(rest);
        let (account, rest) = take(rest);
        let (created_at, rest) = take(rest);
        let (expires_at, _) = take(rest);
        RefreshTokenRecord {
            hash: SecretHash::from_bytes(hash),
            api_key: ApiKeyId(Uuid::from_bytes(api_key)),
            account: AccountId(Uuid::from_bytes(account)),
            created_at: UnixTime::from_micros(i64::from_be_bytes(created_at)),
            expires_at: UnixTime::from_micros(i64::from_be_bytes(expires_at)),
        }
    }))
}

/// The first bytes of an encoded token, and the rest.
fn take<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    // Unwrap safety: a token is as long as its parts.
    let (first, rest) = bytes.split_first_chunk().expect("the parts of a token");
    (*first, rest)
}

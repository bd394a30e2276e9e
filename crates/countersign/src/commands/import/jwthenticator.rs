//! Keys and refresh tokens of jwthenticator.
//!
//! A key is its SHA-512 there, from which ours is made. A refresh token lies in clear,
//! and is hashed. Their callers notice nothing.

use std::collections::HashMap;

use countersign_core::ports::{NewApiKey, RefreshTokenRecord};
use countersign_core::{AccountId, ApiKeyId, ImportedHashError, UnixTime};
use countersign_store::{
    ForeignApiKey, ForeignDatabase, ForeignRefreshToken, ImportStore as _, ImportedApiKey,
};
use countersign_system::SystemRandom;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::report::{Outcome, Report};
use super::target::Target;
use super::{source, target};
use crate::failure::Failure;

const KEYS: &str = "keys";
const TOKENS: &str = "refresh_tokens";

/// A key that is here, for the tokens it bought; `None` if it was left out.
type Known = HashMap<i64, Option<(ApiKeyId, AccountId)>>;

/// Why a row cannot be imported.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("its key_hash is NULL")]
    NoHash,
    #[error("its key_hash is none: {0}")]
    Hash(#[from] ImportedHashError),
    #[error("its identifier is NULL")]
    NoIdentifier,
    #[error("its identifier is no UUID")]
    Identifier,
    #[error("its {0} is no date with a time")]
    Instant(&'static str),
    #[error("its token is not 128 lower-case hexadecimal digits")]
    Token,
    #[error("it belongs to no key: its key_id is NULL")]
    NoKey,
    #[error("it belongs to the key {0}, which is not there")]
    UnknownKey(i64),
    #[error("its key {0} was left out")]
    KeyLeftOut(i64),
}

/// Imports all rows.
///
/// # Errors
/// A [`Failure`] if a database does not answer; what was imported before stays.
pub(super) async fn import(
    source: &mut ForeignDatabase,
    target: &Target,
    report: &mut Report,
) -> Result<(), Failure> {
    // Asked first: the key of a token up to there is among those that are read then.
    let last = source.last_refresh_token().await.map_err(source::failure)?;
    let known = import_keys(source, target, report).await?;
    import_tokens(source, target, report, (&known, last)).await
}

async fn import_keys(
    source: &mut ForeignDatabase,
    target: &Target,
    report: &mut Report,
) -> Result<Known, Failure> {
    let (mut known, mut after) = (Known::new(), None);
    loop {
        let rows = source.api_keys(after).await.map_err(source::failure)?;
        let Some(last) = rows.last() else { return Ok(known) };
        after = Some(last.id);
        let read: Vec<_> = rows.iter().map(|row| target.read_key(row)).collect();
        let fit: Vec<ImportedApiKey> = read.iter().flatten().cloned().collect();
        let imported = target.store.import_api_keys(&target.act, &fit, target.mode).await;
        let mut imported = imported.map_err(target::failure)?.into_iter();
        for (row, read) in rows.iter().zip(read) {
            let (outcome, key) = match &read {
                Err(unfit) => (Outcome::LeftOut(unfit.to_string()), None),
                Ok(_) => match imported.next() {
                    Some(import) => (import.outcome.into(), import.key),
                    None => return Err(Failure::refused("the store judged too few keys")),
                },
            };
            known.insert(row.id, key.map(|key| (key.id, key.account)));
            let account = read.ok().map(|key| key.identifier.to_string());
            report.row(KEYS, row.id, (outcome, account.as_deref()))?;
        }
    }
}

async fn import_tokens(
    source: &mut ForeignDatabase,
    target: &Target,
    report: &mut Report,
    (known, last): (&Known, i64),
) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let rows = source.refresh_tokens(after, last).await.map_err(source::failure)?;
        let Some(newest) = rows.last() else { return Ok(()) };
        after = Some(newest.id);
        let read: Vec<_> = rows.iter().map(|row| target.read_token(row, known)).collect();
        let now = target.act.at;
        let is_live = |token: &&RefreshTokenRecord| token.expires_at > now;
        let live: Vec<_> = read.iter().flatten().filter(is_live).copied().collect();
        let imported = target.store.import_refresh_tokens(&target.act, &live, target.mode).await;
        let mut imported = imported.map_err(target::failure)?.into_iter();
        for (row, read) in rows.iter().zip(read) {
            let outcome = match &read {
                Err(unfit) => Outcome::LeftOut(unfit.to_string()),
                Ok(token) if token.expires_at <= now => Outcome::Expired,
                Ok(_) => match imported.next() {
                    Some(outcome) => outcome.into(),
                    None => return Err(Failure::refused("the store judged too few tokens")),
                },
            };
            let account = read.ok().map(|token| token.account.to_string());
            report.row(TOKENS, row.id, (outcome, account.as_deref()))?;
        }
    }
}

impl Target {
    fn read_key(&self, row: &ForeignApiKey) -> Result<ImportedApiKey, Unfit> {
        let hash = row.key_hash.as_deref().ok_or(Unfit::NoHash)?;
        let identifier = row.identifier.as_deref().ok_or(Unfit::NoIdentifier)?;
        let identifier = Uuid::try_parse(identifier).map_err(|_| Unfit::Identifier)?;
        Ok(ImportedApiKey {
            identifier: AccountId(identifier),
            key: NewApiKey {
                id: ApiKeyId::draw(&SystemRandom),
                hash: self.hasher.imported_api_key(hash)?,
                comment: format!("key {} of jwthenticator", row.id),
                expires_at: instant(row.expires_at.as_deref(), "expires_at")?,
            },
            created_at: instant(row.created.as_deref(), "created")?.unwrap_or(self.act.at),
        })
    }

    fn read_token(
        &self,
        row: &ForeignRefreshToken,
        known: &Known,
    ) -> Result<RefreshTokenRecord, Unfit> {
        let token = row.token.as_ref().map_err(|_| Unfit::Token)?;
        let key = row.key_id.ok_or(Unfit::NoKey)?;
        let (api_key, account) =
            known.get(&key).ok_or(Unfit::UnknownKey(key))?.ok_or(Unfit::KeyLeftOut(key))?;
        // Without an end it raises an exception there at each use; here it has one.
        let expires_at = instant(row.expires_at.as_deref(), "expires_at")?;
        Ok(RefreshTokenRecord {
            hash: self.hasher.refresh_token(token),
            api_key,
            account,
            created_at: instant(row.created.as_deref(), "created")?.unwrap_or(self.act.at),
            expires_at: expires_at.unwrap_or(self.act.at + self.refresh_token_lifetime),
        })
    }
}

/// Reads a date with a time in UTC, as both databases write it.
fn instant(text: Option<&str>, column: &'static str) -> Result<Option<UnixTime>, Unfit> {
    let Some(text) = text else { return Ok(None) };
    // One with an offset comes first: read as civil time, the offset would be lost.
    let in_utc = || text.parse::<DateTime>().and_then(|civil| civil.to_zoned(TimeZone::UTC));
    let instant = text.parse::<Timestamp>().or_else(|_| in_utc().map(|zoned| zoned.timestamp()));
    let instant = instant.map_err(|_| Unfit::Instant(column))?;
    Ok(Some(UnixTime::from_micros(instant.as_microsecond())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_both_databases_write_them() {
        for (text, micros) in [
            ("2026-01-02 03:04:05.678901", 1_767_323_045_678_901),
            ("2026-01-02 03:04:05", 1_767_323_045_000_000),
            ("2026-01-02T03:04:05.678901", 1_767_323_045_678_901),
            ("2026-01-02 05:04:05+02", 1_767_323_045_000_000),
        ] {
            let read = instant(Some(text), "created").unwrap();
            assert_eq!(read, Some(UnixTime::from_micros(micros)), "{text}");
        }
        assert_eq!(instant(None, "created").unwrap(), None);
        for text in ["", "soon", "infinity", "2026-02-30 00:00:00"] {
            assert!(instant(Some(text), "created").is_err(), "{text}");
        }
    }
}

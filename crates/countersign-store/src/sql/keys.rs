//! Public keys.

use countersign_core::ports::{Act, NewPublicKey, PublicKeyRecord, StoreError};
use countersign_core::{AccountName, UnixTime};

use super::belongings::Kind;
use super::database::Database;
use super::query::{Transaction, query};
use super::rows::KeyRow;
use super::{statements, trail, unavailable};
use crate::audit::Entry;

/// The public keys of an account.
pub(super) const OF_ACCOUNT: Kind<KeyRow, PublicKeyRecord> =
    Kind { statement: statements::KEYS_OF_ACCOUNT, read: KeyRow::record };

/// Registers a key, or finds it registered.
pub(super) async fn add(
    database: &Database,
    act: &Act,
    account: &AccountName,
    new: &NewPublicKey,
) -> Result<PublicKeyRecord, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let (before, after) = insert(&mut writing, act, account, new).await?;
    let entry = Entry::key("key.add", account.as_str(), before.as_ref(), &after);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(after)
}

/// The same within a transaction, without a row in the trail: the key as it was
/// before, if it was there, and as it is now.
pub(super) async fn insert(
    transaction: &mut Transaction,
    act: &Act,
    account: &AccountName,
    new: &NewPublicKey,
) -> Result<(Option<PublicKeyRecord>, PublicKeyRecord), StoreError> {
    let fingerprints = new.key.fingerprints();
    let row: Option<KeyRow> = query(statements::KEY_INSERT)
        .bind(account.as_str())
        .bind(fingerprints.openssh())
        .bind(fingerprints.jwk_thumbprint())
        .bind(fingerprints.spki_pem_sha256())
        .bind(new.key.to_spki_der())
        .bind(&new.comment)
        .bind(act.at.as_micros())
        .bind(new.expires_at.map(UnixTime::as_micros))
        .optional(transaction)
        .await
        .map_err(unavailable)?;
    if let Some(row) = row {
        return Ok((None, row.record()?));
    }
    let found = by_fingerprint(transaction, account, &fingerprints.openssh()).await?;
    let existing = found.ok_or(StoreError::NoSuchAccount)?.record()?;
    match existing.revoked_at {
        Some(_) => Err(StoreError::KeyRevoked),
        None => Ok((Some(existing.clone()), existing)),
    }
}

/// Sets or clears a key's expiry.
pub(super) async fn expire(
    database: &Database,
    act: &Act,
    account: &AccountName,
    fingerprint: &str,
    expires_at: Option<UnixTime>,
) -> Result<Option<PublicKeyRecord>, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let Some(row) = by_fingerprint(&mut writing, account, fingerprint).await? else {
        return Ok(None);
    };
    let changed = set_expiry(&mut writing, act, row.sequence(), expires_at).await?;
    let before = row.record()?;
    let after = match changed {
        Some(row) => row.record()?,
        None if before.revoked_at.is_some() => return Err(StoreError::KeyRevoked),
        None => return Err(StoreError::LastAdmin),
    };
    let entry = Entry::key("key.expire", account.as_str(), Some(&before), &after);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(Some(after))
}

/// Sets or clears the expiry of the key with that number, if it may be: someone
/// must be able to administrate from the instant on at which it expires.
pub(super) async fn set_expiry(
    transaction: &mut Transaction,
    act: &Act,
    sequence: i64,
    expires_at: Option<UnixTime>,
) -> Result<Option<KeyRow>, StoreError> {
    query(statements::KEY_EXPIRE)
        .bind(sequence)
        .bind(expires_at.map(UnixTime::as_micros))
        .bind(expires_at.map_or(act.at, |expiry| expiry.max(act.at)).as_micros())
        .optional(transaction)
        .await
        .map_err(unavailable)
}

/// Withdraws a key.
pub(super) async fn revoke(
    database: &Database,
    act: &Act,
    account: &AccountName,
    fingerprint: &str,
) -> Result<Option<PublicKeyRecord>, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let Some(row) = by_fingerprint(&mut writing, account, fingerprint).await? else {
        return Ok(None);
    };
    let changed: Option<KeyRow> = query(statements::KEY_REVOKE)
        .bind(row.sequence())
        .bind(act.at.as_micros())
        .optional(&mut writing)
        .await
        .map_err(unavailable)?;
    let before = row.record()?;
    let after = match changed {
        Some(row) => row.record()?,
        None if before.revoked_at.is_some() => before.clone(),
        None => return Err(StoreError::LastAdmin),
    };
    let entry = Entry::key("key.revoke", account.as_str(), Some(&before), &after);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(Some(after))
}

/// The key that a fingerprint names, if the account has it.
pub(super) async fn by_fingerprint(
    transaction: &mut Transaction,
    account: &AccountName,
    fingerprint: &str,
) -> Result<Option<KeyRow>, StoreError> {
    query(statements::KEY_BY_FINGERPRINT)
        .bind(account.as_str())
        .bind(fingerprint)
        .optional(transaction)
        .await
        .map_err(unavailable)
}

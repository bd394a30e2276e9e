//! API keys.

use countersign_core::ports::{Act, ApiKeyRecord, NewApiKey, StoreError};
use countersign_core::{AccountId, AccountName, ApiKeyId, SecretHash, UnixTime};

use super::belongings::Kind;
use super::database::Database;
use super::query::{Transaction, query};
use super::rows::{ApiKeyRow, account_name};
use super::{accounts, statements, trail, unavailable};
use crate::audit::{Entry, account_state};

/// The API keys of an account.
pub(super) const OF_ACCOUNT: Kind<ApiKeyRow, ApiKeyRecord> =
    Kind { statement: statements::API_KEYS_OF_ACCOUNT, read: ApiKeyRow::record };

/// Gives an account a key.
pub(super) async fn add(
    database: &Database,
    act: &Act,
    account: &AccountName,
    new: &NewApiKey,
) -> Result<ApiKeyRecord, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let row: Option<ApiKeyRow> = query(statements::API_KEY_INSERT)
        .bind(account.as_str())
        .bind(new.id.0.as_bytes().as_slice())
        .bind(new.hash.as_bytes().as_slice())
        .bind(&new.comment)
        .bind(act.at.as_micros())
        .bind(new.expires_at.map(UnixTime::as_micros))
        .optional(&mut writing)
        .await
        .map_err(unavailable)?;
    let Some(row) = row else {
        let there = accounts::by_name(&mut writing, account).await?;
        return Err(there.map_or(StoreError::NoSuchAccount, |_| StoreError::ApiKeyExists));
    };
    let after = row.record()?;
    let entry = Entry::api_key("api-key.add", account.as_str(), None, &after);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(after)
}

/// Registers a key for the account of an identifier, which is made if need be.
pub(super) async fn register(
    database: &Database,
    act: &Act,
    identifier: AccountId,
    new: &NewApiKey,
) -> Result<ApiKeyRecord, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let name = identifier.to_string();
    let made = query(statements::ACCOUNT_REGISTER)
        .bind(identifier.0.as_bytes().as_slice())
        .bind(&name)
        .bind(act.at.as_micros())
        .held(&mut writing)
        .await
        .map_err(unavailable)?;
    if made {
        let account = accounts::by_name(&mut writing, &account_name(&name)?).await?;
        let after = account_state(&account.ok_or(StoreError::NoSuchAccount)?);
        let entry = Entry::account("account.register", &name, serde_json::Value::Null, after);
        trail::record(&mut writing, act, entry).await?;
    }
    let before = by_hash(&mut writing, &new.hash).await?;
    let row: Option<ApiKeyRow> = query(statements::API_KEY_REGISTER)
        .bind(identifier.0.as_bytes().as_slice())
        .bind(new.id.0.as_bytes().as_slice())
        .bind(new.hash.as_bytes().as_slice())
        .bind(&new.comment)
        .bind(act.at.as_micros())
        .bind(new.expires_at.map(UnixTime::as_micros))
        .optional(&mut writing)
        .await
        .map_err(unavailable)?;
    let after = row.ok_or(StoreError::NotRegistrable)?.record()?;
    let entry = Entry::api_key("api-key.register", &name, before.as_ref(), &after);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(after)
}

/// Sets or clears a key's expiry.
pub(super) async fn expire(
    database: &Database,
    act: &Act,
    account: &AccountName,
    key: ApiKeyId,
    expires_at: Option<UnixTime>,
) -> Result<Option<ApiKeyRecord>, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let Some(before) = by_id(&mut writing, account, key).await? else { return Ok(None) };
    let changed: Option<ApiKeyRow> = query(statements::API_KEY_EXPIRE)
        .bind(key.0.as_bytes().as_slice())
        .bind(expires_at.map(UnixTime::as_micros))
        .optional(&mut writing)
        .await
        .map_err(unavailable)?;
    let after = changed.ok_or(StoreError::KeyRevoked)?.record()?;
    let entry = Entry::api_key("api-key.expire", account.as_str(), Some(&before), &after);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(Some(after))
}

/// Withdraws a key.
pub(super) async fn revoke(
    database: &Database,
    act: &Act,
    account: &AccountName,
    key: ApiKeyId,
) -> Result<Option<ApiKeyRecord>, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let Some(before) = by_id(&mut writing, account, key).await? else { return Ok(None) };
    let changed: Option<ApiKeyRow> = query(statements::API_KEY_REVOKE)
        .bind(key.0.as_bytes().as_slice())
        .bind(act.at.as_micros())
        .optional(&mut writing)
        .await
        .map_err(unavailable)?;
    // One that was revoked before is left as it is.
    let after = changed.map(ApiKeyRow::record).transpose()?.unwrap_or_else(|| before.clone());
    let entry = Entry::api_key("api-key.revoke", account.as_str(), Some(&before), &after);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(Some(after))
}

async fn by_id(
    transaction: &mut Transaction,
    account: &AccountName,
    key: ApiKeyId,
) -> Result<Option<ApiKeyRecord>, StoreError> {
    let row: Option<ApiKeyRow> = query(statements::API_KEY_OF_ACCOUNT)
        .bind(account.as_str())
        .bind(key.0.as_bytes().as_slice())
        .optional(transaction)
        .await
        .map_err(unavailable)?;
    row.map(ApiKeyRow::record).transpose()
}

async fn by_hash(
    transaction: &mut Transaction,
    hash: &SecretHash,
) -> Result<Option<ApiKeyRecord>, StoreError> {
    let row: Option<ApiKeyRow> = query(statements::API_KEY_BY_HASH)
        .bind(hash.as_bytes().as_slice())
        .optional(transaction)
        .await
        .map_err(unavailable)?;
    row.map(ApiKeyRow::record).transpose()
}

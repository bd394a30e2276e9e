//! The first administrator, and the way back in.

use countersign_core::ports::{Account, Act, NewAccount, NewPublicKey, StoreError};
use countersign_core::{ADMIN_GROUP, AccountName, GroupName};
use serde_json::Value;

use super::database::Database;
use super::query::{Transaction, query};
use super::{accounts, api_keys, belongings, endpoints, keys, statements, trail, unavailable};
use crate::audit::{Entry, whole_account_state};

/// Makes the first account, unless there is any.
pub(super) async fn bootstrap(
    database: &Database,
    act: &Act,
    new: &NewAccount,
    key: &NewPublicKey,
) -> Result<bool, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    if !accounts::insert(&mut writing, statements::ACCOUNT_INSERT_FIRST, act, new).await? {
        return Ok(false);
    }
    accounts::join(&mut writing, new.id, &[admin_group()]).await?;
    keys::insert(&mut writing, act, &new.name, key).await?;
    let after = state(&mut writing, &new.name).await?;
    let entry = Entry::account("admin.bootstrap", new.name.as_str(), Value::Null, after);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(true)
}

/// Makes or repairs an administrator.
pub(super) async fn recover(
    database: &Database,
    act: &Act,
    new: &NewAccount,
    key: &NewPublicKey,
) -> Result<Account, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let before = state(&mut writing, &new.name).await?;
    accounts::insert(&mut writing, statements::ACCOUNT_INSERT, act, new).await?;
    let account = accounts::by_name(&mut writing, &new.name).await?;
    let account = account.ok_or(StoreError::AccountExists)?;
    query(statements::ACCOUNT_SET_DISABLED)
        .bind(new.name.as_str())
        .bind(false)
        .bind(act.at.as_micros())
        .execute(&mut writing)
        .await
        .map_err(unavailable)?;
    accounts::join(&mut writing, account.id, &[admin_group()]).await?;
    keys::insert(&mut writing, act, &new.name, key).await?;
    let fingerprint = key.key.fingerprints().openssh();
    if let Some(row) = keys::by_fingerprint(&mut writing, &new.name, &fingerprint).await? {
        keys::set_expiry(&mut writing, act, row.sequence(), key.expires_at).await?;
    }
    let after = state(&mut writing, &new.name).await?;
    let entry = Entry::account("admin.recover", new.name.as_str(), before, after);
    trail::record(&mut writing, act, entry).await?;
    let account = accounts::by_name(&mut writing, &new.name).await?;
    writing.commit().await.map_err(unavailable)?;
    account.ok_or(StoreError::NoSuchAccount)
}

/// An account with its credentials as the trail shows it; `null` if there is none.
async fn state(transaction: &mut Transaction, name: &AccountName) -> Result<Value, StoreError> {
    let Some(account) = accounts::by_name(transaction, name).await? else {
        return Ok(Value::Null);
    };
    let keys = belongings::of(transaction, name, &keys::OF_ACCOUNT).await?;
    let endpoints = belongings::of(transaction, name, &endpoints::OF_ACCOUNT).await?;
    let api_keys = belongings::of(transaction, name, &api_keys::OF_ACCOUNT).await?;
    Ok(whole_account_state(&account, &keys, &endpoints, &api_keys))
}

fn admin_group() -> GroupName {
    // Unwrap safety: the name is a constant that keeps the rule for group names.
    GroupName::new(ADMIN_GROUP).expect("a valid group name")
}

//! Accounts and their groups.

use countersign_core::ports::{
    Account, AccountCondition, AccountFilter, Act, NewAccount, Page, StoreError,
};
use countersign_core::{ADMIN_GROUP, AccountId, AccountName, GroupName, UnixTime};
use serde_json::Value;

use super::database::Database;
use super::query::{Query, Transaction, query};
use super::rows::AccountRow;
use super::{api_keys, belongings, endpoints, keys, limit, statements, trail, unavailable};
use crate::audit::{Entry, account_state, whole_account_state};

/// Makes an account, unless its name or id is taken.
pub(super) async fn create(
    database: &Database,
    act: &Act,
    new: &NewAccount,
) -> Result<Account, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    if !insert(&mut writing, statements::ACCOUNT_INSERT, act, new).await? {
        return Err(StoreError::AccountExists);
    }
    let account = by_name(&mut writing, &new.name).await?.ok_or(StoreError::NoSuchAccount)?;
    let after = account_state(&account);
    let entry = Entry::account("account.create", new.name.as_str(), Value::Null, after);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(account)
}

/// The account of that name.
pub(super) async fn find(
    database: &Database,
    name: &AccountName,
) -> Result<Option<Account>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    by_name(&mut reading, name).await
}

/// A stretch of the accounts that pass the filter.
pub(super) async fn page(
    database: &Database,
    filter: &AccountFilter,
    page: &Page<AccountName>,
) -> Result<Vec<Account>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    rows(&mut reading, filter, page).await
}

/// The same within a transaction.
pub(super) async fn rows(
    transaction: &mut Transaction,
    filter: &AccountFilter,
    page: &Page<AccountName>,
) -> Result<Vec<Account>, StoreError> {
    let page_of = query(statements::ACCOUNT_PAGE)
        .bind(page.after.as_ref().map_or("", AccountName::as_str))
        .bind(limit(page));
    let rows: Vec<AccountRow> =
        filtered(page_of, filter).all(transaction).await.map_err(unavailable)?;
    rows.into_iter().map(AccountRow::account).collect()
}

/// A stretch of the accounts that pass the filter, the newest first.
pub(super) async fn newest(
    database: &Database,
    filter: &AccountFilter,
    page: &Page<(UnixTime, AccountName)>,
) -> Result<Vec<Account>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    let (at, name) = match &page.after {
        Some((at, name)) => (at.as_micros(), name.as_str()),
        None => (i64::MAX, ""),
    };
    let page_of = query(statements::ACCOUNT_PAGE_NEWEST).bind(name).bind(limit(page));
    let rows: Vec<AccountRow> =
        filtered(page_of, filter).bind(at).all(&mut reading).await.map_err(unavailable)?;
    rows.into_iter().map(AccountRow::account).collect()
}

/// The statement with the values $3 to $8, which say what passes.
fn filtered(page_of: Query, filter: &AccountFilter) -> Query {
    let (disabled, unused_since, expires) = match filter.condition {
        None => (false, None, None),
        Some(AccountCondition::Disabled) => (true, None, None),
        Some(AccountCondition::UnusedSince(instant)) => (false, Some(instant), None),
        Some(AccountCondition::KeyExpires(after, until)) => (false, None, Some((after, until))),
    };
    page_of
        .bind(filter.group.as_ref().map_or("", GroupName::as_str))
        .bind(filter.name_contains.as_deref().unwrap_or(""))
        .bind(disabled)
        .bind(unused_since.map(UnixTime::as_micros))
        .bind(expires.map(|(after, _)| after.as_micros()))
        .bind(expires.map(|(_, until)| until.as_micros()))
}

/// Disables or enables an account.
pub(super) async fn set_disabled(
    database: &Database,
    act: &Act,
    name: &AccountName,
    disabled: bool,
) -> Result<Option<Account>, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let Some(before) = by_name(&mut writing, name).await? else { return Ok(None) };
    let changed = query(statements::ACCOUNT_SET_DISABLED)
        .bind(name.as_str())
        .bind(disabled)
        .bind(act.at.as_micros())
        .held(&mut writing)
        .await
        .map_err(unavailable)?;
    if !changed {
        return Err(StoreError::LastAdmin);
    }
    let after = Account { disabled, ..before.clone() };
    let action = if disabled { "account.disable" } else { "account.enable" };
    let (was, is) = (account_state(&before), account_state(&after));
    trail::record(&mut writing, act, Entry::account(action, name.as_str(), was, is)).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(Some(after))
}

/// Replaces an account's groups.
pub(super) async fn set_groups(
    database: &Database,
    act: &Act,
    name: &AccountName,
    groups: &[GroupName],
) -> Result<Option<Account>, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let Some(before) = by_name(&mut writing, name).await? else { return Ok(None) };
    let held = query(statements::ACCOUNT_MAY_CHANGE_GROUPS)
        .bind(name.as_str())
        .bind(groups.iter().any(|group| group.as_str() == ADMIN_GROUP))
        .bind(act.at.as_micros())
        .held(&mut writing)
        .await
        .map_err(unavailable)?;
    if !held {
        return Err(StoreError::LastAdmin);
    }
    query(statements::GROUPS_DELETE)
        .bind(before.id.0.as_bytes().as_slice())
        .execute(&mut writing)
        .await
        .map_err(unavailable)?;
    join(&mut writing, before.id, groups).await?;
    let after = by_name(&mut writing, name).await?.ok_or(StoreError::NoSuchAccount)?;
    let (was, is) = (account_state(&before), account_state(&after));
    let entry = Entry::account("account.set-groups", name.as_str(), was, is);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(Some(after))
}

/// Refuses all access tokens of an account that were issued so far.
pub(super) async fn revoke_tokens(
    database: &Database,
    act: &Act,
    name: &AccountName,
) -> Result<Option<Account>, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let Some(before) = by_name(&mut writing, name).await? else { return Ok(None) };
    query(statements::ACCOUNT_REVOKE_TOKENS)
        .bind(name.as_str())
        .bind(act.at.as_micros())
        .execute(&mut writing)
        .await
        .map_err(unavailable)?;
    let after = by_name(&mut writing, name).await?.ok_or(StoreError::NoSuchAccount)?;
    let (was, is) = (account_state(&before), account_state(&after));
    let entry = Entry::account("account.revoke-tokens", name.as_str(), was, is);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(Some(after))
}

/// Deletes an account with its credentials.
pub(super) async fn delete(
    database: &Database,
    act: &Act,
    name: &AccountName,
) -> Result<bool, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let Some(before) = by_name(&mut writing, name).await? else { return Ok(false) };
    let keys = belongings::of(&mut writing, name, &keys::OF_ACCOUNT).await?;
    let endpoints = belongings::of(&mut writing, name, &endpoints::OF_ACCOUNT).await?;
    let api_keys = belongings::of(&mut writing, name, &api_keys::OF_ACCOUNT).await?;
    let deleted = query(statements::ACCOUNT_DELETE)
        .bind(name.as_str())
        .bind(act.at.as_micros())
        .held(&mut writing)
        .await
        .map_err(unavailable)?;
    if !deleted {
        return Err(StoreError::LastAdmin);
    }
    let was = whole_account_state(&before, &keys, &endpoints, &api_keys);
    let entry = Entry::account("account.delete", name.as_str(), was, Value::Null);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(true)
}

/// Inserts an account with its groups by one of the statements for it; whether
/// the statement's condition held.
pub(super) async fn insert(
    transaction: &mut Transaction,
    statement: &'static str,
    act: &Act,
    new: &NewAccount,
) -> Result<bool, StoreError> {
    let inserted = query(statement)
        .bind(new.id.0.as_bytes().as_slice())
        .bind(new.name.as_str())
        .bind(act.at.as_micros())
        .held(transaction)
        .await
        .map_err(unavailable)?;
    if inserted {
        join(transaction, new.id, &new.groups).await?;
    }
    Ok(inserted)
}

/// Puts an account into groups.
pub(super) async fn join(
    transaction: &mut Transaction,
    account: AccountId,
    groups: &[GroupName],
) -> Result<(), StoreError> {
    for group in groups {
        query(statements::GROUP_INSERT)
            .bind(account.0.as_bytes().as_slice())
            .bind(group.as_str())
            .execute(transaction)
            .await
            .map_err(unavailable)?;
    }
    Ok(())
}

/// The account of that name, within a transaction.
pub(super) async fn by_name(
    transaction: &mut Transaction,
    name: &AccountName,
) -> Result<Option<Account>, StoreError> {
    let row: Option<AccountRow> = query(statements::ACCOUNT_BY_NAME)
        .bind(name.as_str())
        .optional(transaction)
        .await
        .map_err(unavailable)?;
    row.map(AccountRow::account).transpose()
}

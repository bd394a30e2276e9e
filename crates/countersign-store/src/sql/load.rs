//! Accounts with their credentials, for a directory; and the installation's id.

use std::collections::HashMap;

use countersign_core::ports::{AccountFilter, Page, StoreError};
use countersign_core::{AccountId, AccountName, SecretHash};
use uuid::Uuid;

use super::database::Database;
use super::query::{EitherRow, Query, Transaction, query};
use super::rows::{ApiKeyRow, EndpointRow, KeyRow, account_name};
use super::{accounts, api_keys, belongings, endpoints, keys, statements, unavailable};
use crate::registry::StoredAccount;

/// One account, by the same queries whether or not it is there.
pub(super) async fn one(
    database: &Database,
    name: &AccountName,
) -> Result<Option<StoredAccount>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    let account = accounts::by_name(&mut reading, name).await?;
    let keys = belongings::of(&mut reading, name, &keys::OF_ACCOUNT).await?;
    let endpoints = belongings::of(&mut reading, name, &endpoints::OF_ACCOUNT).await?;
    let api_keys = belongings::of(&mut reading, name, &api_keys::OF_ACCOUNT).await?;
    let urls = endpoints.into_iter().map(|endpoint| endpoint.url).collect();
    Ok(account.map(|account| StoredAccount { account, keys, endpoints: urls, api_keys }))
}

/// A stretch of all accounts, in four queries.
pub(super) async fn page(
    database: &Database,
    page: &Page<AccountName>,
) -> Result<Vec<StoredAccount>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    let accounts = accounts::rows(&mut reading, &AccountFilter::default(), page).await?;
    let Some(last) = accounts.last() else { return Ok(Vec::new()) };
    let after = page.after.as_ref().map_or("", AccountName::as_str);
    let up_to = last.name.clone();

    let mut loaded: Vec<StoredAccount> = accounts
        .into_iter()
        .map(|account| StoredAccount {
            account,
            keys: Vec::new(),
            endpoints: Vec::new(),
            api_keys: Vec::new(),
        })
        .collect();
    let places: HashMap<_, _> =
        loaded.iter().enumerate().map(|(place, loaded)| (loaded.account.id, place)).collect();
    for row in range::<KeyRow>(&mut reading, statements::KEYS_OF_RANGE, after, &up_to).await? {
        let key = row.record()?;
        if let Some(place) = places.get(&key.account) {
            loaded[*place].keys.push(key);
        }
    }
    let statement = statements::ENDPOINTS_OF_RANGE;
    for row in range::<EndpointRow>(&mut reading, statement, after, &up_to).await? {
        let endpoint = row.endpoint()?;
        if let Some(place) = places.get(&endpoint.account) {
            loaded[*place].endpoints.push(endpoint.url);
        }
    }
    let statement = statements::API_KEYS_OF_RANGE;
    for row in range::<ApiKeyRow>(&mut reading, statement, after, &up_to).await? {
        let key = row.record()?;
        if let Some(place) = places.get(&key.account) {
            loaded[*place].api_keys.push(key);
        }
    }
    Ok(loaded)
}

/// The name of the account with that id.
pub(super) async fn name_by_id(
    database: &Database,
    id: AccountId,
) -> Result<Option<AccountName>, StoreError> {
    name(database, query(statements::ACCOUNT_NAME_BY_ID).bind(id.0.as_bytes().as_slice())).await
}

/// The name of the account that has the API key with that hash.
pub(super) async fn name_by_api_key(
    database: &Database,
    hash: &SecretHash,
) -> Result<Option<AccountName>, StoreError> {
    let hash = hash.as_bytes().as_slice();
    name(database, query(statements::ACCOUNT_NAME_BY_API_KEY).bind(hash)).await
}

async fn name(database: &Database, query: Query) -> Result<Option<AccountName>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    let found: Option<(String,)> = query.optional(&mut reading).await.map_err(unavailable)?;
    found.map(|(name,)| account_name(&name)).transpose()
}

/// The installation's id, made at the first call.
pub(super) async fn instance_id(database: &Database, candidate: Uuid) -> Result<Uuid, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    query(statements::INSTANCE_INSERT)
        .bind(candidate.to_string())
        .execute(&mut writing)
        .await
        .map_err(unavailable)?;
    let id: Option<(String,)> =
        query(statements::INSTANCE).optional(&mut writing).await.map_err(unavailable)?;
    writing.commit().await.map_err(unavailable)?;
    let (id,) =
        id.ok_or_else(|| StoreError::Unavailable("the installation has no id".to_owned()))?;
    Uuid::try_parse(&id).map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// The rows of accounts behind `after`, up to `up_to`.
async fn range<T: EitherRow>(
    transaction: &mut Transaction,
    statement: &'static str,
    after: &str,
    up_to: &AccountName,
) -> Result<Vec<T>, StoreError> {
    query(statement).bind(after).bind(up_to.as_str()).all(transaction).await.map_err(unavailable)
}

//! Accounts with their credentials, for a directory; and the installation's id.

use std::collections::HashMap;

use countersign_core::AccountName;
use countersign_core::ports::{AccountFilter, Page, StoreError};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::database::Database;
use super::rows::{EndpointRow, KeyRow};
use super::{accounts, endpoints, keys, statements, unavailable};
use crate::registry::StoredAccount;

/// One account, by the same queries whether or not it is there.
pub(super) async fn one(
    database: &Database,
    name: &AccountName,
) -> Result<Option<StoredAccount>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    let account = accounts::by_name(&mut reading, name).await?;
    let keys = keys::of(&mut reading, name).await?;
    let endpoints = endpoints::of(&mut reading, name).await?;
    let urls = endpoints.into_iter().map(|endpoint| endpoint.url).collect();
    Ok(account.map(|account| StoredAccount { account, keys, endpoints: urls }))
}

/// A stretch of all accounts, in three queries.
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
        .map(|account| StoredAccount { account, keys: Vec::new(), endpoints: Vec::new() })
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
    Ok(loaded)
}

/// The installation's id, made at the first call.
pub(super) async fn instance_id(database: &Database, candidate: Uuid) -> Result<Uuid, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    sqlx::query(statements::INSTANCE_INSERT)
        .bind(candidate.to_string())
        .execute(&mut *writing)
        .await
        .map_err(unavailable)?;
    let id: String = sqlx::query_scalar(statements::INSTANCE)
        .fetch_one(&mut *writing)
        .await
        .map_err(unavailable)?;
    writing.commit().await.map_err(unavailable)?;
    Uuid::try_parse(&id).map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// The rows of accounts behind `after`, up to `up_to`.
async fn range<T>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    after: &str,
    up_to: &AccountName,
) -> Result<Vec<T>, StoreError>
where
    T: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
{
    sqlx::query_as(statement)
        .bind(after)
        .bind(up_to.as_str())
        .fetch_all(connection)
        .await
        .map_err(unavailable)
}

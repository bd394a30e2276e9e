//! JWKS endpoints.

use countersign_core::AccountName;
use countersign_core::ports::{Act, JwksEndpoint, StoreError};

use super::belongings::Kind;
use super::database::Database;
use super::query::query;
use super::rows::EndpointRow;
use super::{belongings, statements, trail, unavailable};
use crate::audit::Entry;

/// The endpoints of an account.
pub(super) const OF_ACCOUNT: Kind<EndpointRow, JwksEndpoint> =
    Kind { statement: statements::ENDPOINTS_OF_ACCOUNT, read: EndpointRow::endpoint };

/// Trusts a URL for an account, or finds it trusted.
pub(super) async fn add(
    database: &Database,
    act: &Act,
    account: &AccountName,
    url: &str,
) -> Result<JwksEndpoint, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let row: Option<EndpointRow> = query(statements::ENDPOINT_INSERT)
        .bind(account.as_str())
        .bind(url)
        .bind(act.at.as_micros())
        .optional(&mut writing)
        .await
        .map_err(unavailable)?;
    let before = match &row {
        Some(_) => None,
        None => belongings::of(&mut writing, account, &OF_ACCOUNT)
            .await?
            .into_iter()
            .find(|endpoint| endpoint.url == url),
    };
    let added = row.map(EndpointRow::endpoint).transpose()?;
    let after = added.or_else(|| before.clone()).ok_or(StoreError::NoSuchAccount)?;
    let name = account.as_str();
    let entry = Entry::endpoint("jwks-endpoint.add", name, before.as_ref(), Some(&after));
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(after)
}

/// Trusts a URL no longer.
pub(super) async fn remove(
    database: &Database,
    act: &Act,
    account: &AccountName,
    url: &str,
) -> Result<bool, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let row: Option<EndpointRow> = query(statements::ENDPOINT_DELETE)
        .bind(account.as_str())
        .bind(url)
        .optional(&mut writing)
        .await
        .map_err(unavailable)?;
    let Some(row) = row else { return Ok(false) };
    let before = row.endpoint()?;
    let entry = Entry::endpoint("jwks-endpoint.remove", account.as_str(), Some(&before), None);
    trail::record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(true)
}

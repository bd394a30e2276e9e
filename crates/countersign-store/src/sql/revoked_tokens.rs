//! Access tokens that were revoked by their id.

use countersign_core::UnixTime;
use countersign_core::ports::{Act, StoreError};
use uuid::Uuid;

use super::database::Database;
use super::query::query;
use super::rows::RevokedTokenRow;
use super::{statements, trail, unavailable};
use crate::audit::Entry;
use crate::registry::RevokedToken;

/// Revokes one.
pub(super) async fn revoke(
    database: &Database,
    act: &Act,
    token_id: Uuid,
    remember_until: UnixTime,
) -> Result<(), StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    query(statements::TOKEN_REVOKE)
        .bind(token_id.as_bytes().as_slice())
        .bind(remember_until.as_micros())
        .execute(&mut writing)
        .await
        .map_err(unavailable)?;
    trail::record(&mut writing, act, Entry::token(token_id, remember_until)).await?;
    writing.commit().await.map_err(unavailable)
}

/// Whether it is one of them.
pub(super) async fn contains(database: &Database, token_id: Uuid) -> Result<bool, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    query(statements::TOKEN_REVOKED)
        .bind(token_id.as_bytes().as_slice())
        .held(&mut reading)
        .await
        .map_err(unavailable)
}

/// All of them.
pub(super) async fn all(database: &Database) -> Result<Vec<RevokedToken>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    let rows: Vec<RevokedTokenRow> =
        query(statements::TOKENS_REVOKED).all(&mut reading).await.map_err(unavailable)?;
    rows.into_iter().map(RevokedTokenRow::token).collect()
}

/// Forgets those that have certainly expired.
pub(super) async fn forget(database: &Database, now: UnixTime) -> Result<(), StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    query(statements::TOKENS_REVOKED_FORGET)
        .bind(now.as_micros())
        .execute(&mut writing)
        .await
        .map_err(unavailable)?;
    writing.commit().await.map_err(unavailable)
}

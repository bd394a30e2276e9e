//! The audit trail.

use countersign_core::UnixTime;
use countersign_core::ports::{Act, AuditFilter, AuditRecord, Page, StoreError};
use serde_json::{Value, json};

use super::database::Database;
use super::postgres::TELL;
use super::query::{Runs as _, Transaction, query};
use super::rows::AuditRow;
use super::{limit, statements, unavailable};
use crate::audit::Entry;

/// Adds a row, in the transaction of what it tells about.
pub(super) async fn record(
    transaction: &mut Transaction,
    act: &Act,
    entry: Entry,
) -> Result<(), StoreError> {
    query(statements::AUDIT_INSERT)
        .bind(act.at.as_micros())
        .bind(&act.actor)
        .bind(act.from.map(|address| address.to_string()))
        .bind(entry.action)
        .bind(entry.target)
        .bind(entry.before.to_string())
        .bind(entry.after.to_string())
        .execute(transaction)
        .await
        .map_err(unavailable)?;
    tell(transaction).await
}

/// Adds a row about what changes nothing else.
pub(super) async fn add(database: &Database, act: &Act, entry: Entry) -> Result<(), StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    record(&mut writing, act, entry).await?;
    writing.commit().await.map_err(unavailable)
}

/// Adds many rows in one statement, in the transaction of what they tell about.
pub(super) async fn record_all(
    transaction: &mut Transaction,
    act: &Act,
    entries: Vec<Entry>,
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows: Value = entries
        .into_iter()
        .map(|entry| {
            json!({
                "action": entry.action,
                "target": entry.target,
                "before": entry.before.to_string(),
                "after": entry.after.to_string(),
            })
        })
        .collect();
    let sql = transaction.choose(&statements::AUDIT_INSERT_ALL);
    query(sql)
        .bind(act.at.as_micros())
        .bind(&act.actor)
        .bind(act.from.map(|address| address.to_string()))
        .bind(rows.to_string())
        .execute(transaction)
        .await
        .map_err(unavailable)?;
    tell(transaction).await
}

/// Lets other servers know, once the transaction is committed. A SQLite file has none.
async fn tell(transaction: &mut Transaction) -> Result<(), StoreError> {
    if let Transaction::Postgres(_) = transaction {
        query(TELL).execute(transaction).await.map_err(unavailable)?;
    }
    Ok(())
}

/// A stretch of the acts that pass the filter, the oldest first.
pub(super) async fn page(
    database: &Database,
    filter: &AuditFilter,
    page: &Page<i64>,
) -> Result<Vec<AuditRecord>, StoreError> {
    read(database, statements::AUDIT_PAGE, (page.after.unwrap_or(0), page), filter).await
}

/// A stretch of the acts that pass the filter, the newest first.
pub(super) async fn latest(
    database: &Database,
    filter: &AuditFilter,
    page: &Page<i64>,
) -> Result<Vec<AuditRecord>, StoreError> {
    read(database, statements::AUDIT_LATEST, (page.after.unwrap_or(i64::MAX), page), filter).await
}

async fn read(
    database: &Database,
    statement: &'static str,
    (from, page): (i64, &Page<i64>),
    filter: &AuditFilter,
) -> Result<Vec<AuditRecord>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    let rows: Vec<AuditRow> = query(statement)
        .bind(from)
        .bind(limit(page))
        .bind(filter.actor.as_deref().unwrap_or(""))
        .bind(filter.action.as_deref().unwrap_or(""))
        .bind(filter.target_contains.as_deref().unwrap_or(""))
        .bind(filter.since.map_or(i64::MIN, UnixTime::as_micros))
        .all(&mut reading)
        .await
        .map_err(unavailable)?;
    rows.into_iter().map(AuditRow::record).collect()
}

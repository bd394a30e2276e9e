//! What belongs to an account: its keys, its endpoints, its API keys.

use countersign_core::AccountName;
use countersign_core::ports::StoreError;

use super::database::Database;
use super::query::{EitherRow, Transaction, query};
use super::{accounts, unavailable};

/// How the rows of one kind of belongings are asked for (by the account's name) and read.
pub(super) struct Kind<Row, Item> {
    pub(super) statement: &'static str,
    pub(super) read: fn(Row) -> Result<Item, StoreError>,
}

/// All of a kind; `None` if there is no such account.
pub(super) async fn list<Row: EitherRow, Item>(
    database: &Database,
    account: &AccountName,
    kind: &Kind<Row, Item>,
) -> Result<Option<Vec<Item>>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    match accounts::by_name(&mut reading, account).await? {
        Some(_) => of(&mut reading, account, kind).await.map(Some),
        None => Ok(None),
    }
}

/// The same within a transaction; none for an account that is not there.
pub(super) async fn of<Row: EitherRow, Item>(
    transaction: &mut Transaction,
    account: &AccountName,
    kind: &Kind<Row, Item>,
) -> Result<Vec<Item>, StoreError> {
    let rows: Vec<Row> =
        query(kind.statement).bind(account.as_str()).all(transaction).await.map_err(unavailable)?;
    rows.into_iter().map(kind.read).collect()
}

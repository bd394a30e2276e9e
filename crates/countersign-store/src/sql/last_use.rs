//! The last uses of credentials.

use std::net::IpAddr;

use countersign_core::ports::StoreError;
use serde::Serialize;
use uuid::fmt::Simple;

use super::database::Database;
use super::query::{Runs as _, query};
use super::{statements, unavailable};
use crate::registry::{CredentialUse, UsedCredential};

/// Writes down uses, all in one transaction of a few statements.
pub(super) async fn record(database: &Database, uses: &[CredentialUse]) -> Result<(), StoreError> {
    let uses: Vec<Row> = uses.iter().map(Row::from).collect();
    let uses =
        serde_json::to_string(&uses).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let mut writing = database.write().await.map_err(unavailable)?;
    for statement in
        [statements::USE_OF_KEYS, statements::USE_OF_API_KEYS, statements::USE_OF_ACCOUNTS]
    {
        let sql = writing.choose(&statement);
        query(sql).bind(&uses).execute(&mut writing).await.map_err(unavailable)?;
    }
    writing.commit().await.map_err(unavailable)
}

/// A use as the statements read it.
#[derive(Serialize)]
struct Row {
    account: Simple,
    key: Option<String>,
    api_key: Option<Simple>,
    at: i64,
    from: Option<IpAddr>,
}

impl From<&CredentialUse> for Row {
    fn from(used: &CredentialUse) -> Self {
        let (key, api_key) = match &used.credential {
            UsedCredential::PublicKey(fingerprints) => (Some(fingerprints.openssh()), None),
            UsedCredential::ApiKey(id) => (None, Some(id.0.simple())),
        };
        Self {
            account: used.account.0.simple(),
            key,
            api_key,
            at: used.at.as_micros(),
            from: used.from,
        }
    }
}

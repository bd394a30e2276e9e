//! The last uses of credentials.

use countersign_core::ports::StoreError;
use serde_json::{Value, json};

use super::database::Database;
use super::query::{Runs as _, query};
use super::{statements, unavailable};
use crate::registry::{CredentialUse, UsedCredential};

/// Writes down uses, all in one transaction of a few statements.
pub(super) async fn record(database: &Database, uses: &[CredentialUse]) -> Result<(), StoreError> {
    let uses: Value = uses.iter().map(as_json).collect();
    let uses = uses.to_string();
    let mut writing = database.write().await.map_err(unavailable)?;
    for statement in
        [statements::USE_OF_KEYS, statements::USE_OF_API_KEYS, statements::USE_OF_ACCOUNTS]
    {
        let sql = writing.choose(&statement);
        query(sql).bind(&uses).execute(&mut writing).await.map_err(unavailable)?;
    }
    writing.commit().await.map_err(unavailable)
}

fn as_json(used: &CredentialUse) -> Value {
    let (key, api_key) = match &used.credential {
        UsedCredential::PublicKey(fingerprints) => (Some(fingerprints.openssh()), None),
        UsedCredential::ApiKey(id) => (None, Some(id.0.simple().to_string())),
    };
    json!({
        "account": used.account.0.simple().to_string(),
        "key": key,
        "api_key": api_key,
        "at": used.at.as_micros(),
        "from": used.from,
    })
}

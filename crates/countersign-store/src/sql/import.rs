//! What an import writes: many rows in one statement, because a hundred thousand keys
//! must not take a hundred thousand questions.

use std::collections::{HashMap, HashSet};

use countersign_core::ports::{
    Account, Act, ApiKeyRecord, NewPublicKey, RefreshTokenRecord, StoreError,
};
use countersign_core::{AccountId, SecretHash, UnixTime};
use serde_json::{Value, json};

use super::database::Database;
use super::query::{EitherRow, Runs as _, Transaction, query};
use super::refresh_tokens::Row;
use super::rows::{ApiKeyRow, EndpointRow, RefreshTokenRow};
use super::{accounts, keys, statements, trail, unavailable};
use crate::audit::{Entry, account_state};
use crate::import::{
    AccountImport, ApiKeyImport, ImportMode, ImportOutcome, ImportedAccount, ImportedApiKey,
    LeftOut,
};

/// Imports API keys with the accounts that registrations would have made.
pub(super) async fn api_keys(
    database: &Database,
    act: &Act,
    imported: &[ImportedApiKey],
    mode: ImportMode,
) -> Result<Vec<ApiKeyImport>, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let hashes: Value = imported.iter().map(|one| one.key.hash.to_hex()).collect();
    let known: Vec<ApiKeyRow> = run(&mut writing, &statements::API_KEYS_FIND, &hashes).await?;
    let mut known = by_hash(known)?;

    // The first of each hash; what comes after it is judged as known.
    let mut seen = HashSet::new();
    let fresh: Vec<&ImportedApiKey> = imported
        .iter()
        .filter(|one| !known.contains_key(&one.key.hash) && seen.insert(one.key.hash))
        .collect();
    register(&mut writing, act, &fresh).await?;
    let rows: Value = fresh.iter().map(|one| key_as_json(one)).collect();
    let added: Vec<ApiKeyRow> = run(&mut writing, &statements::API_KEYS_IMPORT, &rows).await?;
    let added = by_hash(added)?;
    let entries = fresh.iter().filter_map(|one| {
        let after = added.get(&one.key.hash)?;
        Some(Entry::api_key("api-key.import", &one.identifier.to_string(), None, after))
    });
    trail::record_all(&mut writing, act, entries.collect()).await?;
    finish(writing, mode).await?;

    known.extend(added);
    let outcome = |one: &ImportedApiKey| match known.get(&one.key.hash) {
        Some(record) => one.judge(record.clone()),
        None => ApiKeyImport::left_out(LeftOut::OperatorsAccount),
    };
    Ok(imported.iter().map(outcome).collect())
}

/// Makes the accounts that are not there yet.
async fn register(
    writing: &mut Transaction,
    act: &Act,
    fresh: &[&ImportedApiKey],
) -> Result<(), StoreError> {
    let mut accounts = HashMap::new();
    for one in fresh {
        let account = Account {
            id: one.identifier,
            name: one.account_name()?,
            groups: Vec::new(),
            disabled: false,
            created_at: act.at,
            registered: true,
            tokens_revoked_at: None,
            last_used_at: None,
            last_used_from: None,
        };
        accounts.insert(one.identifier.0.as_bytes().to_vec(), account);
    }
    let rows: Value = accounts.values().map(account_as_json).collect();
    let made: Vec<(Vec<u8>,)> = run(writing, &statements::ACCOUNTS_REGISTER, &rows).await?;
    let entries = made.iter().filter_map(|(id,)| {
        let account = accounts.get(id)?;
        let after = account_state(account);
        Some(Entry::account("account.import", account.name.as_str(), Value::Null, after))
    });
    trail::record_all(writing, act, entries.collect()).await
}

/// Imports refresh tokens.
pub(super) async fn refresh_tokens(
    database: &Database,
    act: &Act,
    tokens: &[RefreshTokenRecord],
    mode: ImportMode,
) -> Result<Vec<ImportOutcome>, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let hashes: Value = tokens.iter().map(|token| token.hash.to_hex()).collect();
    let there: Vec<RefreshTokenRow> =
        run(&mut writing, &statements::REFRESH_TOKENS_FIND, &hashes).await?;
    let there: HashSet<SecretHash> = there
        .into_iter()
        .map(|row| row.record().map(|token| token.hash))
        .collect::<Result<_, _>>()?;
    let mut seen = HashSet::new();
    let fresh: Vec<&RefreshTokenRecord> = tokens
        .iter()
        .filter(|token| !there.contains(&token.hash) && seen.insert(token.hash))
        .collect();
    let added: HashSet<Vec<u8>> = match mode {
        // Its keys were imported in a dry run too: the statement would find none.
        ImportMode::DryRun => fresh.iter().map(|token| token.hash.as_bytes().to_vec()).collect(),
        ImportMode::Write => {
            let rows: Vec<Row> = fresh.iter().map(|token| Row::from(&**token)).collect();
            let rows = json!(rows);
            let added: Vec<(Vec<u8>,)> =
                run(&mut writing, &statements::REFRESH_TOKENS_INSERT, &rows).await?;
            added.into_iter().map(|(hash,)| hash).collect()
        }
    };
    if !added.is_empty() {
        trail::record(&mut writing, act, Entry::refresh_tokens(added.len())).await?;
    }
    finish(writing, mode).await?;

    let mut told = HashSet::new();
    let outcome = |token: &RefreshTokenRecord| {
        if there.contains(&token.hash) || !told.insert(token.hash) {
            ImportOutcome::AlreadyThere
        } else if added.contains(token.hash.as_bytes().as_slice()) {
            ImportOutcome::Imported
        } else {
            ImportOutcome::LeftOut(LeftOut::NoSuchKey)
        }
    };
    Ok(tokens.iter().map(outcome).collect())
}

/// Imports an account with its public keys and JWKS endpoints.
pub(super) async fn account(
    database: &Database,
    act: &Act,
    imported: &ImportedAccount,
    mode: ImportMode,
) -> Result<AccountImport, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let name = &imported.account.name;
    let here = accounts::by_name(&mut writing, name).await?;
    let keep_off = here.as_ref().and_then(|here| imported.keep_off(here));
    let account = match here {
        Some(_) => ImportOutcome::AlreadyThere,
        None if make(&mut writing, act, imported).await? => ImportOutcome::Imported,
        None => return Ok(imported.left_out(LeftOut::OthersId)),
    };
    let mut keys = Vec::new();
    for key in &imported.keys {
        keys.push(add_key(&mut writing, act, (imported, key), keep_off).await?);
    }
    let mut endpoints = Vec::new();
    for url in &imported.endpoints {
        endpoints.push(add_endpoint(&mut writing, act, (imported, url), keep_off).await?);
    }
    finish(writing, mode).await?;
    Ok(AccountImport { account, keys, endpoints })
}

/// Makes the account, unless its id is taken.
async fn make(
    writing: &mut Transaction,
    act: &Act,
    imported: &ImportedAccount,
) -> Result<bool, StoreError> {
    let new = &imported.account;
    if !accounts::insert(writing, statements::ACCOUNT_INSERT, act, new).await? {
        return Ok(false);
    }
    query(statements::ACCOUNT_SET_DISABLED)
        .bind(new.name.as_str())
        .bind(imported.disabled)
        .bind(act.at.as_micros())
        .execute(writing)
        .await
        .map_err(unavailable)?;
    let made = accounts::by_name(writing, &new.name).await?.ok_or(StoreError::NoSuchAccount)?;
    let after = account_state(&made);
    let entry = Entry::account("account.import", new.name.as_str(), Value::Null, after);
    trail::record(writing, act, entry).await?;
    Ok(true)
}

async fn add_key(
    writing: &mut Transaction,
    act: &Act,
    (imported, key): (&ImportedAccount, &NewPublicKey),
    keep_off: Option<LeftOut>,
) -> Result<ImportOutcome, StoreError> {
    let name = &imported.account.name;
    if let Some(why) = keep_off {
        let fingerprint = key.key.fingerprints().openssh();
        if keys::by_fingerprint(writing, name, &fingerprint).await?.is_none() {
            return Ok(ImportOutcome::LeftOut(why));
        }
    }
    match keys::insert(writing, act, name, key).await {
        Ok((None, after)) => {
            let entry = Entry::key("key.import", name.as_str(), None, &after);
            trail::record(writing, act, entry).await?;
            Ok(ImportOutcome::Imported)
        }
        Ok((Some(_), _)) => Ok(ImportOutcome::AlreadyThere),
        Err(StoreError::KeyRevoked) => Ok(ImportOutcome::LeftOut(LeftOut::Revoked)),
        Err(error) => Err(error),
    }
}

async fn add_endpoint(
    writing: &mut Transaction,
    act: &Act,
    (imported, url): (&ImportedAccount, &str),
    keep_off: Option<LeftOut>,
) -> Result<ImportOutcome, StoreError> {
    let name = &imported.account.name;
    let there = super::belongings::of(writing, name, &super::endpoints::OF_ACCOUNT).await?;
    if there.iter().any(|endpoint| endpoint.url == url) {
        return Ok(ImportOutcome::AlreadyThere);
    }
    if let Some(why) = keep_off {
        return Ok(ImportOutcome::LeftOut(why));
    }
    let row: Option<EndpointRow> = query(statements::ENDPOINT_INSERT)
        .bind(name.as_str())
        .bind(url)
        .bind(act.at.as_micros())
        .optional(writing)
        .await
        .map_err(unavailable)?;
    let after = row.ok_or(StoreError::NoSuchAccount)?.endpoint()?;
    let entry = Entry::endpoint("jwks-endpoint.import", name.as_str(), None, Some(&after));
    trail::record(writing, act, entry).await?;
    Ok(ImportOutcome::Imported)
}

/// Makes it permanent, or takes it back.
async fn finish(writing: Transaction, mode: ImportMode) -> Result<(), StoreError> {
    match mode {
        ImportMode::Write => writing.commit().await.map_err(unavailable),
        ImportMode::DryRun => writing.roll_back().await.map_err(unavailable),
    }
}

/// Runs a statement for all the rows of a JSON array.
async fn run<T: EitherRow>(
    writing: &mut Transaction,
    statement: &statements::ByDialect,
    rows: &Value,
) -> Result<Vec<T>, StoreError> {
    let sql = writing.choose(statement);
    query(sql).bind(rows.to_string()).all(writing).await.map_err(unavailable)
}

fn by_hash(rows: Vec<ApiKeyRow>) -> Result<HashMap<SecretHash, ApiKeyRecord>, StoreError> {
    rows.into_iter().map(|row| row.record().map(|record| (record.hash, record))).collect()
}

fn account_as_json(account: &Account) -> Value {
    let Account { id: AccountId(id), name, created_at, .. } = account;
    json!({ "id": id.simple().to_string(), "name": name, "created_at": created_at.as_micros() })
}

fn key_as_json(imported: &ImportedApiKey) -> Value {
    let ImportedApiKey { identifier, key, created_at } = imported;
    json!({
        "id": key.id.0.simple().to_string(),
        "account": identifier.0.simple().to_string(),
        "hash": key.hash.to_hex(),
        "comment": key.comment,
        "created_at": created_at.as_micros(),
        "expires_at": key.expires_at.map(UnixTime::as_micros),
    })
}

//! Signing keys and other sealed secrets.

use countersign_core::ports::{
    Act, Resealed, SecretName, SigningKeyRecord, StoreError, UnreadableSigningKey,
};
use countersign_core::{RotationStep, Sealed, UnixTime};

use super::database::Database;
use super::query::{Transaction, query};
use super::rows::SigningKeyRow;
use super::{statements, trail, unavailable};
use crate::audit::Entry;

/// All keys.
pub(super) async fn all(
    database: &Database,
) -> Result<Vec<Result<SigningKeyRecord, UnreadableSigningKey>>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    let rows: Vec<SigningKeyRow> =
        query(statements::SIGNING_KEYS).all(&mut reading).await.map_err(unavailable)?;
    Ok(rows.into_iter().map(SigningKeyRow::record_or_why_not).collect())
}

/// Puts the first keys into an empty ring.
pub(super) async fn begin(
    database: &Database,
    act: &Act,
    keys: &[SigningKeyRecord],
) -> Result<bool, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    if query(statements::SIGNING_KEY_ANY).held(&mut writing).await.map_err(unavailable)? {
        return Ok(false);
    }
    for key in keys {
        insert(&mut writing, act, key).await?;
    }
    writing.commit().await.map_err(unavailable)?;
    Ok(true)
}

/// Adds a key, unless its name is taken.
pub(super) async fn add(
    database: &Database,
    act: &Act,
    key: &SigningKeyRecord,
) -> Result<bool, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let added = insert(&mut writing, act, key).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(added)
}

/// Makes the change of a rotation, if every part of it can be made.
pub(super) async fn rotate(
    database: &Database,
    act: &Act,
    step: &RotationStep,
    standby: &SigningKeyRecord,
) -> Result<bool, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    for kid in &step.retire {
        let retire = query(statements::SIGNING_KEY_RETIRE)
            .bind(&**kid)
            .bind(step.at.as_micros())
            .bind(step.gone_at.as_micros());
        if !change(&mut writing, act, "signing-key.retire", (kid, retire)).await? {
            return Ok(false);
        }
    }
    let kid = &*step.activate;
    let activate = query(statements::SIGNING_KEY_ACTIVATE).bind(kid).bind(step.at.as_micros());
    if !change(&mut writing, act, "signing-key.activate", (kid, activate)).await?
        || !insert(&mut writing, act, standby).await?
    {
        return Ok(false);
    }
    writing.commit().await.map_err(unavailable)?;
    Ok(true)
}

/// Lets a key go that does not sign.
pub(super) async fn drop(
    database: &Database,
    act: &Act,
    kid: &str,
    gone_at: UnixTime,
) -> Result<bool, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let drop = query(statements::SIGNING_KEY_DROP)
        .bind(kid)
        .bind(act.at.as_micros())
        .bind(gone_at.as_micros());
    let dropped = change(&mut writing, act, "signing-key.retire", (kid, drop)).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(dropped)
}

/// Lets a key go that cannot be used. What is sealed goes with it: nothing that is stored
/// must be in the way of another encryption key for ever.
pub(super) async fn discard(database: &Database, act: &Act, kid: &str) -> Result<bool, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    let discard = query(statements::SIGNING_KEY_DISCARD).bind(kid).bind(act.at.as_micros());
    let discarded = change(&mut writing, act, "signing-key.retire", (kid, discard)).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(discarded)
}

/// The secret of that name, which the first caller brings.
pub(super) async fn secret(
    database: &Database,
    name: &str,
    candidate: &Sealed,
) -> Result<Sealed, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    query(statements::SECRET_INSERT)
        .bind(name)
        .bind(candidate.as_bytes())
        .execute(&mut writing)
        .await
        .map_err(unavailable)?;
    let found: Option<(Vec<u8>,)> =
        query(statements::SECRET).bind(name).optional(&mut writing).await.map_err(unavailable)?;
    writing.commit().await.map_err(unavailable)?;
    let (sealed,) = found.ok_or_else(|| StoreError::Unavailable(format!("no secret {name}")))?;
    Ok(Sealed::from_bytes(sealed))
}

/// Everything that is sealed.
pub(super) async fn sealed(database: &Database) -> Result<Vec<(SecretName, Sealed)>, StoreError> {
    let mut reading = database.read().await.map_err(unavailable)?;
    all_sealed(&mut reading).await
}

/// Replaces everything that is sealed.
pub(super) async fn reseal(
    database: &Database,
    act: &Act,
    all: &[Resealed],
) -> Result<bool, StoreError> {
    let mut writing = database.write().await.map_err(unavailable)?;
    if all_sealed(&mut writing).await?.len() != all.len() {
        return Ok(false);
    }
    for one in all {
        let (statement, name) = match &one.name {
            SecretName::SigningKey(kid) => (statements::SIGNING_KEY_RESEAL, kid),
            SecretName::Named(name) => (statements::SECRET_RESEAL, name),
        };
        let replaced = query(statement)
            .bind(&**name)
            .bind(one.former.as_bytes())
            .bind(one.next.as_bytes())
            .held(&mut writing)
            .await
            .map_err(unavailable)?;
        if !replaced {
            return Ok(false);
        }
    }
    trail::record(&mut writing, act, Entry::resealed(all.len())).await?;
    writing.commit().await.map_err(unavailable)?;
    Ok(true)
}

async fn all_sealed(
    transaction: &mut Transaction,
) -> Result<Vec<(SecretName, Sealed)>, StoreError> {
    let keys: Vec<(String, Vec<u8>)> =
        query(statements::SIGNING_KEYS_SEALED).all(transaction).await.map_err(unavailable)?;
    let keys = keys.into_iter();
    let mut sealed: Vec<_> = keys
        .map(|(kid, secret)| (SecretName::SigningKey(kid.into()), Sealed::from_bytes(secret)))
        .collect();
    let named: Vec<(String, Vec<u8>)> =
        query(statements::SECRETS).all(transaction).await.map_err(unavailable)?;
    let named = named.into_iter();
    sealed.extend(
        named.map(|(name, secret)| (SecretName::Named(name.into()), Sealed::from_bytes(secret))),
    );
    Ok(sealed)
}

async fn insert(
    transaction: &mut Transaction,
    act: &Act,
    key: &SigningKeyRecord,
) -> Result<bool, StoreError> {
    let inserted = query(statements::SIGNING_KEY_INSERT)
        .bind(&*key.kid)
        .bind(key.algorithm.name())
        .bind(key.public_key.to_spki_der())
        .bind(key.sealed.as_ref().map(|sealed| sealed.as_bytes().to_vec()))
        .bind(key.published_at.as_micros())
        .bind(key.activated_at.map(UnixTime::as_micros))
        .bind(key.retired_at.map(UnixTime::as_micros))
        .bind(key.gone_at.map(UnixTime::as_micros))
        .held(transaction)
        .await
        .map_err(unavailable)?;
    if inserted {
        let entry = Entry::signing_key("signing-key.add", None, &Ok(key.clone()));
        trail::record(transaction, act, entry).await?;
    }
    Ok(inserted)
}

/// Runs a statement that changes one key on a condition; whether it held.
async fn change(
    transaction: &mut Transaction,
    act: &Act,
    action: &'static str,
    (kid, statement): (&str, super::query::Query),
) -> Result<bool, StoreError> {
    let Some(before) = by_kid(transaction, kid).await? else { return Ok(false) };
    if !statement.held(transaction).await.map_err(unavailable)? {
        return Ok(false);
    }
    let after = by_kid(transaction, kid).await?.unwrap_or_else(|| before.clone());
    trail::record(transaction, act, Entry::signing_key(action, Some(&before), &after)).await?;
    Ok(true)
}

async fn by_kid(
    transaction: &mut Transaction,
    kid: &str,
) -> Result<Option<Result<SigningKeyRecord, UnreadableSigningKey>>, StoreError> {
    let row: Option<SigningKeyRow> = query(statements::SIGNING_KEY)
        .bind(kid)
        .optional(transaction)
        .await
        .map_err(unavailable)?;
    Ok(row.map(SigningKeyRow::record_or_why_not))
}

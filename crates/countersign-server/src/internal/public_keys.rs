//! `/v1/accounts/{name}/keys` and below.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign_core::AccountName;
use countersign_core::ports::{AdminStore, NewPublicKey};

use super::accounts::no_such_account;
use super::documented;
use super::extract::{
    AccountNamed, Actor, FingerprintInPath, FingerprintNamed, InPath, StrictJson,
};
use super::problems::Kind;
use crate::api::{
    AddPublicKey, ChangePublicKey, MAX_COMMENT_BYTES, Problem, PublicKey, PublicKeys, routes,
    to_unix_time,
};

/// The most keys of an account, revoked ones included.
pub(super) const MAX_KEYS: usize = 1000;

/// Lists an account's keys.
#[utoipa::path(
    get,
    path = routes::KEYS,
    operation_id = "list_keys",
    tag = "Public keys",
    params(AccountNamed),
    responses((status = 200, description = "The keys, in order of registration.", body = PublicKeys), documented::OfAccount)
)]
pub(super) async fn list(
    State(store): State<Arc<dyn AdminStore>>,
    InPath(account): InPath,
) -> Result<Json<PublicKeys>, Problem> {
    let keys = store.public_keys(&account).await?.ok_or_else(|| no_such_account(&account))?;
    Ok(Json(PublicKeys { keys: keys.into_iter().map(Into::into).collect() }))
}

/// Registers a key; the same key again is the same key.
#[utoipa::path(
    post,
    path = routes::KEYS,
    operation_id = "add_key",
    tag = "Public keys",
    params(AccountNamed),
    request_body = AddPublicKey,
    responses((status = 200, description = "The key.", body = PublicKey), documented::AddPublicKey)
)]
pub(super) async fn add(
    State(store): State<Arc<dyn AdminStore>>,
    InPath(account): InPath,
    Actor(act): Actor,
    StrictJson(new): StrictJson<AddPublicKey>,
) -> Result<Json<PublicKey>, Problem> {
    let file = countersign_core::PublicKey::read(new.public_key.as_bytes())
        .map_err(|error| Kind::UnacceptableKey.problem(error))?;
    let comment = match new.comment {
        Some(comment) => check_comment(comment)?,
        None => shorten(file.comment.as_deref().unwrap_or_default()),
    };
    let known = store.public_keys(&account).await?.ok_or_else(|| no_such_account(&account))?;
    if known.len() >= MAX_KEYS && known.iter().all(|record| record.key != file.key) {
        return Err(Kind::TooMany.problem(format_args!(
            "an account has at most {MAX_KEYS} keys, revoked ones included: use another account"
        )));
    }
    let new = NewPublicKey { key: file.key, comment, expires_at: new.expires_at.map(to_unix_time) };
    Ok(Json(store.add_public_key(&act, &account, new).await?.into()))
}

/// Sets or lifts a key's expiry.
#[utoipa::path(
    patch,
    path = routes::KEY,
    operation_id = "change_key",
    tag = "Public keys",
    params(AccountNamed, FingerprintNamed),
    request_body = ChangePublicKey,
    responses((status = 200, description = "The key as it is now.", body = PublicKey), documented::ChangePublicKey)
)]
pub(super) async fn change(
    State(store): State<Arc<dyn AdminStore>>,
    InPath(account): InPath,
    FingerprintInPath(fingerprint): FingerprintInPath,
    Actor(act): Actor,
    StrictJson(change): StrictJson<ChangePublicKey>,
) -> Result<Json<PublicKey>, Problem> {
    let expires_at = change.expires_at.map(to_unix_time);
    let changed = store.expire_public_key(&act, &account, &fingerprint, expires_at).await?;
    Ok(Json(changed.ok_or_else(|| no_such_key(&account))?.into()))
}

/// Withdraws a key for good; again changes nothing.
#[utoipa::path(
    post,
    path = routes::REVOKE_KEY,
    operation_id = "revoke_key",
    tag = "Public keys",
    params(AccountNamed, FingerprintNamed),
    responses((status = 200, description = "The key as it is now.", body = PublicKey), documented::RevokePublicKey)
)]
pub(super) async fn revoke(
    State(store): State<Arc<dyn AdminStore>>,
    InPath(account): InPath,
    FingerprintInPath(fingerprint): FingerprintInPath,
    Actor(act): Actor,
) -> Result<Json<PublicKey>, Problem> {
    let revoked = store.revoke_public_key(&act, &account, &fingerprint).await?;
    Ok(Json(revoked.ok_or_else(|| no_such_key(&account))?.into()))
}

fn no_such_key(account: &AccountName) -> Problem {
    Kind::NoSuchKey.problem(format_args!(
        "no account called {account} has a key with this fingerprint: list its keys"
    ))
}

pub(super) fn check_comment(comment: String) -> Result<String, Problem> {
    if comment.len() > MAX_COMMENT_BYTES || comment.chars().any(char::is_control) {
        return Err(Kind::InvalidRequest.problem(format_args!(
            "`comment` in the body: at most {MAX_COMMENT_BYTES} bytes without control characters"
        )));
    }
    Ok(comment)
}

/// The comment in a key's own text is a convenience: what is too long is cut.
pub(super) fn shorten(comment: &str) -> String {
    let mut end = MAX_COMMENT_BYTES.min(comment.len());
    while !comment.is_char_boundary(end) {
        end -= 1;
    }
    comment[..end].chars().filter(|c| !c.is_control()).collect()
}

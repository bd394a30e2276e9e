//! `/v1/accounts/{name}/api-keys` and below, and `/v1/tokens`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign_core::ports::ApiKeyStore;
use countersign_core::{AccountName, ApiKey as PlainKey, ApiKeyId, Random};
use http::StatusCode;

use super::accounts::no_such_account;
use super::documented;
use super::extract::{AccountNamed, Actor, IdInPath, IdNamed, InPath, StrictJson};
use super::problems::Kind;
use super::public_keys::check_comment;
use crate::api::{
    ApiKey, ApiKeys, ChangeApiKey, CreateApiKey, CreatedApiKey, Problem, routes, to_unix_time,
};
use crate::token_service::TokenService;

/// The most API keys of an account, revoked ones included.
const MAX_API_KEYS: usize = 1000;

/// What the handlers work with.
#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) service: Arc<TokenService>,
    pub(super) random: Arc<dyn Random>,
}

impl Tokens {
    fn store(&self) -> &dyn ApiKeyStore {
        self.service.api_keys()
    }
}

/// Lists an account's API keys.
#[utoipa::path(
    get,
    path = routes::API_KEYS,
    operation_id = "list_api_keys",
    tag = "API keys",
    params(AccountNamed),
    responses((status = 200, description = "The API keys, in order of registration.", body = ApiKeys), documented::OfAccount)
)]
pub(super) async fn list(
    State(tokens): State<Tokens>,
    InPath(account): InPath,
) -> Result<Json<ApiKeys>, Problem> {
    let keys = tokens.store().api_keys(&account).await?;
    let keys = keys.ok_or_else(|| no_such_account(&account))?;
    Ok(Json(ApiKeys { api_keys: keys.into_iter().map(Into::into).collect() }))
}

/// Makes a key, and shows it this once.
#[utoipa::path(
    post,
    path = routes::API_KEYS,
    operation_id = "create_api_key",
    tag = "API keys",
    params(AccountNamed),
    request_body = CreateApiKey,
    responses((status = 201, description = "The key: it is shown this once.", body = CreatedApiKey), documented::CreateApiKey)
)]
pub(super) async fn create(
    State(tokens): State<Tokens>,
    InPath(account): InPath,
    Actor(act): Actor,
    StrictJson(new): StrictJson<CreateApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), Problem> {
    let comment = check_comment(new.comment.unwrap_or_default())?;
    let known = tokens.store().api_keys(&account).await?;
    if known.ok_or_else(|| no_such_account(&account))?.len() >= MAX_API_KEYS {
        return Err(Kind::TooMany.problem(format_args!(
            "an account has at most {MAX_API_KEYS} API keys, revoked ones included: use another account"
        )));
    }
    let key = PlainKey::generate(&*tokens.random);
    let new = tokens.service.new_api_key(&key, comment, new.expires_at.map(to_unix_time));
    let record = tokens.store().add_api_key(&act, &account, new).await?;
    let created = CreatedApiKey { key: key.reveal().to_owned(), api_key: record.into() };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Sets or lifts a key's expiry.
#[utoipa::path(
    patch,
    path = routes::API_KEY,
    operation_id = "change_api_key",
    tag = "API keys",
    params(AccountNamed, IdNamed),
    request_body = ChangeApiKey,
    responses((status = 200, description = "The API key as it is now.", body = ApiKey), documented::ChangeApiKey)
)]
pub(super) async fn change(
    State(tokens): State<Tokens>,
    InPath(account): InPath,
    IdInPath(id): IdInPath,
    Actor(act): Actor,
    StrictJson(change): StrictJson<ChangeApiKey>,
) -> Result<Json<ApiKey>, Problem> {
    let expires_at = change.expires_at.map(to_unix_time);
    let changed = tokens.store().expire_api_key(&act, &account, ApiKeyId(id), expires_at).await?;
    Ok(Json(changed.ok_or_else(|| no_such_key(&account))?.into()))
}

/// Withdraws a key for good, and what it bought; again changes nothing.
#[utoipa::path(
    post,
    path = routes::REVOKE_API_KEY,
    operation_id = "revoke_api_key",
    tag = "API keys",
    params(AccountNamed, IdNamed),
    responses((status = 200, description = "The API key as it is now.", body = ApiKey), documented::RevokeApiKey)
)]
pub(super) async fn revoke(
    State(tokens): State<Tokens>,
    InPath(account): InPath,
    IdInPath(id): IdInPath,
    Actor(act): Actor,
) -> Result<Json<ApiKey>, Problem> {
    let revoked = tokens.store().revoke_api_key(&act, &account, ApiKeyId(id)).await?;
    Ok(Json(revoked.ok_or_else(|| no_such_key(&account))?.into()))
}

/// Refuses one access token from now on.
#[utoipa::path(
    post,
    path = routes::REVOKE_TOKEN,
    operation_id = "revoke_token",
    tag = "Tokens",
    params(IdNamed),
    responses((status = 204, description = "It is refused from now on."))
)]
pub(super) async fn revoke_token(
    State(tokens): State<Tokens>,
    IdInPath(id): IdInPath,
    Actor(act): Actor,
) -> Result<StatusCode, Problem> {
    tokens.service.revoke(&act, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_such_key(account: &AccountName) -> Problem {
    Kind::NoSuchKey.problem(format_args!(
        "no account called {account} has an API key with this id: list its API keys"
    ))
}

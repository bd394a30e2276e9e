//! `/v1/signing-keys` and below.

use axum::Json;
use axum::extract::State;
use countersign_core::{Algorithm, MAX_LABEL_BYTES, Passphrase, PrivateKey, Rotation};
use serde::Deserialize;
use utoipa::IntoParams;

use super::api_keys::Tokens;
use super::documented;
use super::extract::{Actor, StrictJson, StrictQuery};
use super::problems::Kind;
use crate::api::{ImportSigningKey, Problem, RotateSigningKeys, SigningKeys, routes};
use crate::token_service::{ChangeRingError, OpenRingError};

/// Lists the keys that are in the JWKS, and those that cannot be used.
#[utoipa::path(
    get,
    path = routes::SIGNING_KEYS,
    operation_id = "list_signing_keys",
    tag = "Signing keys",
    responses((status = 200, description = "The keys that are in the JWKS, and those that cannot be used.", body = SigningKeys))
)]
pub(super) async fn list(State(tokens): State<Tokens>) -> Json<SigningKeys> {
    let ring = tokens.service.ring();
    Json(SigningKeys {
        signing_keys: ring.keys().into_iter().map(Into::into).collect(),
        unusable: ring.unusable_keys().into_iter().map(Into::into).collect(),
    })
}

/// Lets the standby sign.
#[utoipa::path(
    post,
    path = routes::ROTATE_SIGNING_KEYS,
    operation_id = "rotate_signing_keys",
    tag = "Signing keys",
    request_body = RotateSigningKeys,
    responses((status = 200, description = "The keys as they are now.", body = SigningKeys), documented::RotateSigningKeys)
)]
pub(super) async fn rotate(
    State(tokens): State<Tokens>,
    Actor(act): Actor,
    StrictJson(how): StrictJson<RotateSigningKeys>,
) -> Result<Json<SigningKeys>, Problem> {
    let ring = tokens.service.ring();
    if how.compromised {
        ring.rotate(&act, Rotation::Compromised).await?;
    } else {
        ring.rotate_on_schedule(&act).await?;
    }
    Ok(list(State(tokens)).await)
}

/// The key that the query names.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Named {
    /// What tokens call the key.
    kid: String,
}

/// Lets a key go at once.
#[utoipa::path(
    post,
    path = routes::RETIRE_SIGNING_KEY,
    operation_id = "retire_signing_key",
    tag = "Signing keys",
    params(Named),
    responses((status = 200, description = "The keys as they are now.", body = SigningKeys), documented::RetireSigningKey)
)]
pub(super) async fn retire(
    State(tokens): State<Tokens>,
    StrictQuery(named): StrictQuery<Named>,
    Actor(act): Actor,
) -> Result<Json<SigningKeys>, Problem> {
    tokens.service.ring().retire(&act, &named.kid).await?;
    Ok(list(State(tokens)).await)
}

/// Publishes a key that was made elsewhere.
#[utoipa::path(
    post,
    path = routes::SIGNING_KEYS,
    operation_id = "import_signing_key",
    tag = "Signing keys",
    request_body = ImportSigningKey,
    responses((status = 200, description = "The keys as they are now.", body = SigningKeys), documented::ImportSigningKey)
)]
pub(super) async fn import(
    State(tokens): State<Tokens>,
    Actor(act): Actor,
    StrictJson(import): StrictJson<ImportSigningKey>,
) -> Result<Json<SigningKeys>, Problem> {
    let invalid = |detail: String| Kind::InvalidRequest.problem(detail);
    let file = PrivateKey::read(import.private_key.as_bytes(), None::<&Passphrase>)
        .map_err(|error| Kind::UnacceptableKey.problem(error))?;
    let algorithm = match &import.algorithm {
        Some(name) => Algorithm::from_name(name)
            .ok_or_else(|| invalid(format!("`algorithm` in the body: `{name}` is not known")))?,
        None => file.key.default_algorithm(),
    };
    let kid = import.kid.as_deref();
    if kid.is_some_and(|kid| !(1..=MAX_LABEL_BYTES).contains(&kid.len())) {
        return Err(invalid(format!("`kid` in the body: it has 1..={MAX_LABEL_BYTES} bytes")));
    }
    tokens.service.ring().import(&act, file.key, (algorithm, kid)).await?;
    Ok(list(State(tokens)).await)
}

impl From<ChangeRingError> for Problem {
    fn from(error: ChangeRingError) -> Self {
        let kind = match &error {
            ChangeRingError::Rotation(_) => Kind::NotYet,
            ChangeRingError::NoSuchKey(_) => Kind::NoSuchKey,
            ChangeRingError::Active(_) => Kind::KeyActive,
            ChangeRingError::Exists(_) => Kind::KeyExists,
            ChangeRingError::Algorithm(..) => Kind::UnacceptableKey,
            ChangeRingError::Contended => Kind::Unavailable,
            ChangeRingError::Open(OpenRingError::Store(error)) => return error.clone().into(),
            ChangeRingError::Open(error) => {
                tracing::error!(%error, "the key ring failed");
                Kind::Internal
            }
        };
        kind.problem(error)
    }
}

//! What those call who hand out keys. Nobody signs for it: whoever reaches the
//! listener may register keys, but only into accounts that registrations have made.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use countersign_core::ports::{Act, Clock, StoreError};
use countersign_core::{AccountId, ApiKey, ApiKeyError, MAX_API_KEY_BYTES};
use http::StatusCode;

use super::answers::{empty, failed, result};
use super::fields::{BadBody, Fields, members};
use super::wire::{self, Nothing, Outcome};
use crate::openapi::described;
use crate::request_context::RequestContext;
use crate::token_service::{TokenError, TokenService};

/// The path at which a key is registered.
pub const REGISTER_KEY: &str = "/register_key";
/// The path that says whether a key is registered.
pub const IS_KEY_REGISTERED: &str = "/is_key_registered";

/// What these routes work with.
#[derive(Clone)]
pub(super) struct RegistrationState {
    pub(super) tokens: Arc<TokenService>,
    pub(super) clock: Arc<dyn Clock>,
}

/// The routes of `jwthenticator`'s "internal API".
pub(super) fn routes(state: RegistrationState) -> Router {
    Registered::router().with_state(state)
}

described! {
    /// The routes of registration.
    pub(super) Registered for RegistrationState {
        REGISTER_KEY => post register_key;
        IS_KEY_REGISTERED => post is_key_registered;
    }
}

/// Registers an API key; again renews its expiry.
#[utoipa::path(
    post,
    path = REGISTER_KEY,
    operation_id = "register_key",
    tag = "Registration",
    request_body = wire::KeyOfIdentifier,
    responses(
        (status = 201, description = "It is registered.", body = Outcome),
        (status = 409, description = "It cannot be: it is another account's or revoked, or this account is not one that registrations made.", body = Nothing),
    )
)]
async fn register_key(
    State(state): State<RegistrationState>,
    request: Request,
) -> Result<Response, BadBody> {
    let context = RequestContext::find(request.extensions()).cloned();
    let client = context.as_ref().and_then(|context| context.client);
    let read = |fields: &mut Fields| (key(fields), fields.uuid("identifier"));
    let (key, identifier) = members(request, read).await?;
    let key = key.ok_or(BadBody::Malformed)?;
    let act = Act { actor: "registration".to_owned(), at: state.clock.now(), from: client };
    Ok(match state.tokens.register(&act, &key, AccountId(identifier)).await {
        Ok(_) => result(StatusCode::CREATED, true),
        Err(error @ StoreError::NotRegistrable) => {
            let request_id = context.as_ref().map(RequestContext::id);
            tracing::info!(request_id, %identifier, %error, "not registered");
            empty(StatusCode::CONFLICT)
        }
        Err(error) => failed(&TokenError::Unavailable(error.to_string()), context.as_ref()),
    })
}

/// Whether an API key is registered.
#[utoipa::path(
    post,
    path = IS_KEY_REGISTERED,
    operation_id = "is_key_registered",
    tag = "Registration",
    request_body = wire::Key,
    responses(
        (status = 200, description = "Whether it is.", body = Outcome),
    )
)]
async fn is_key_registered(
    State(state): State<RegistrationState>,
    request: Request,
) -> Result<Response, BadBody> {
    let context = RequestContext::find(request.extensions()).cloned();
    let key = members(request, key).await?.ok_or(BadBody::Malformed)?;
    Ok(match state.tokens.is_registered(&key).await {
        Ok(registered) => result(StatusCode::OK, registered),
        Err(error) => failed(&TokenError::Unavailable(error.to_string()), context.as_ref()),
    })
}

/// The member `key`; without one there is a complaint.
fn key(fields: &mut Fields) -> Option<ApiKey> {
    let text = fields.text("key");
    let complaint = match ApiKey::new(&text) {
        Ok(key) => return Some(key),
        Err(ApiKeyError::Empty) => "Shorter than minimum length 1.".to_owned(),
        Err(_) => format!("Longer than maximum length {MAX_API_KEY_BYTES}."),
    };
    fields.complain("key", &complaint);
    None
}

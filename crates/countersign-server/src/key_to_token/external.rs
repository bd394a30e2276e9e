//! What holders of keys and tokens call.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use countersign_core::{Identity, Reason, header};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use super::answers::{empty, failed, json_answer, result};
use super::fields::{BadBody, Fields, members};
use super::wire::{self, Nothing, Outcome, TokenPair};
use crate::metrics::{Metrics, Shown};
use crate::openapi::{KeySet, described};
use crate::refusals;
use crate::request_context::RequestContext;
use crate::token_service::{BEARER, TokenError, TokenService};
use crate::unread_body;
use countersign_core::IdentityHeaders;

/// The path that says that the service is there.
pub const ROOT: &str = "/";
/// Another one.
pub const HEALTH: &str = "/health";
/// The path of the key set, as `jwthenticator` has it.
pub const JWKS: &str = "/jwks";
/// The path of the key set, as others look for it.
pub const WELL_KNOWN_JWKS: &str = "/.well-known/jwks.json";
/// The path at which a key buys tokens.
pub const AUTHENTICATE: &str = "/authenticate";
/// The path at which a refresh token buys an access token.
pub const REFRESH: &str = "/refresh";
/// The path at which an access token in the body is judged.
pub const VALIDATE: &str = "/validate";
/// The path at which one in the `Authorization` header is.
pub const VALIDATE_REQUEST: &str = "/validate_request";

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// The most headers that an answer has.
const HEADERS: usize = 12;

/// What these routes work with.
#[derive(Clone)]
pub(crate) struct ExternalState {
    pub(crate) tokens: Arc<TokenService>,
    pub(crate) identity_headers: IdentityHeaders,
    pub(crate) metrics: Arc<Metrics>,
}

described! {
    /// The routes that can be switched off as `jwthenticator`'s "external API".
    pub(super) External for Arc<ExternalState> {
        AUTHENTICATE => post authenticate;
        REFRESH => post refresh;
        VALIDATE => post validate;
        VALIDATE_REQUEST => get validate_request;
    }
}

described! {
    /// The key set.
    pub(super) KeySets for Arc<TokenService> {
        JWKS => get show_keys;
        WELL_KNOWN_JWKS => get show_well_known_keys;
    }
}

described! {
    /// What only says that the service is there.
    pub(super) Status for () {
        ROOT => get root;
        HEALTH => get health;
    }
}

/// The routes of [`External`].
pub(super) fn routes(state: ExternalState) -> Router {
    External::router().with_state(Arc::new(state))
}

/// Says that the service is there.
pub(crate) fn there() -> MethodRouter {
    get(root)
}

/// Says that the service is there.
#[utoipa::path(
    get,
    path = ROOT,
    operation_id = "show_root",
    tag = "Health",
    responses(
        (status = 200, description = "It is.", body = Outcome),
    )
)]
async fn root() -> Response {
    result(StatusCode::OK, true)
}

/// Says that the service is there.
#[utoipa::path(
    get,
    path = HEALTH,
    operation_id = "show_health",
    tag = "Health",
    responses(
        (status = 200, description = "It is.", body = Outcome),
    )
)]
async fn health() -> Response {
    result(StatusCode::OK, true)
}

/// Swaps an API key for an access token and a refresh token.
#[utoipa::path(
    post,
    path = AUTHENTICATE,
    operation_id = "authenticate",
    tag = "Tokens",
    request_body = wire::KeyOfIdentifier,
    responses(
        (status = 200, description = "The tokens.", body = TokenPair<'_>),
        (status = 401, description = "The key is no good, for good.", body = Nothing),
    )
)]
async fn authenticate(
    State(state): State<Arc<ExternalState>>,
    request: Request,
) -> Result<Response, BadBody> {
    let context = RequestContext::find(request.extensions()).cloned();
    let from = context.as_ref().and_then(|context| context.client);
    let read = |fields: &mut Fields| (fields.text("key"), fields.uuid("identifier"));
    let (key, identifier) = members(request, read).await?;
    let bought = state.tokens.authenticate(&key, identifier, from).await;
    state.metrics.judgements.note(Shown::ApiKey, &bought);
    Ok(match bought {
        Ok(session) => {
            let refresh_token = session.refresh_token.reveal();
            let pair = TokenPair { jwt: &session.jwt, refresh_token: Some(refresh_token) };
            json_answer(StatusCode::OK, &pair)
        }
        Err(error) => failed(&error, context.as_ref()),
    })
}

/// Swaps a refresh token for an access token.
#[utoipa::path(
    post,
    path = REFRESH,
    operation_id = "refresh",
    tag = "Tokens",
    request_body = wire::RefreshTokenOfIdentifier,
    responses(
        (status = 200, description = "The access token.", body = TokenPair<'_>),
        (status = 401, description = "The refresh token is no good, for good.", body = Nothing),
    )
)]
async fn refresh(
    State(state): State<Arc<ExternalState>>,
    request: Request,
) -> Result<Response, BadBody> {
    let context = RequestContext::find(request.extensions()).cloned();
    let from = context.as_ref().and_then(|context| context.client);
    let read = |fields: &mut Fields| (fields.text("refresh_token"), fields.uuid("identifier"));
    let (refresh_token, identifier) = members(request, read).await?;
    let bought = state.tokens.refresh(&refresh_token, identifier, from).await;
    state.metrics.judgements.note(Shown::RefreshToken, &bought);
    Ok(match bought {
        Ok(jwt) => json_answer(StatusCode::OK, &TokenPair { jwt: &jwt, refresh_token: None }),
        Err(error) => failed(&error, context.as_ref()),
    })
}

/// Judges an access token.
#[utoipa::path(
    post,
    path = VALIDATE,
    operation_id = "validate",
    tag = "Tokens",
    request_body = wire::AccessToken,
    responses(
        (status = 200, description = "It is good.", body = Outcome),
        (status = 401, description = "It is not.", body = Nothing),
    )
)]
async fn validate(
    State(state): State<Arc<ExternalState>>,
    request: Request,
) -> Result<Response, BadBody> {
    let context = RequestContext::find(request.extensions()).cloned();
    let jwt = members(request, |fields| fields.text("jwt")).await?;
    let judged = state.tokens.validate(&jwt).await;
    state.metrics.judgements.note(Shown::AccessToken, &judged);
    Ok(match judged {
        Ok(_) => result(StatusCode::OK, true),
        Err(error) => failed(&error, context.as_ref()),
    })
}

/// Judges the access token of a request.
///
/// Made for gateways: it answers 200 without a body, which keeps their connections
/// open, and says who the caller is.
#[utoipa::path(
    get,
    path = VALIDATE_REQUEST,
    operation_id = "validate_request",
    tag = "Gateways",
    responses(
        (status = 200, description = "It is good; the identity headers say whose it is."),
        (status = 401, description = "It is not.", body = Nothing, headers(("WWW-Authenticate" = String, description = "`Bearer`."))),
        (status = 403, description = "There is none.", body = Nothing),
        (status = 429, description = "Too many, from this client or of this account.", body = Nothing, headers(("Retry-After" = String, description = "In how many seconds to try again."))),
        (status = 503, description = "Try again; this may also come without a body.", body = Nothing, headers(("Retry-After" = String, description = "In how many seconds to try again."))),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn validate_request(
    State(state): State<Arc<ExternalState>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let context = RequestContext::find(&head.extensions);
    let judged = match header::token(&head.headers, BEARER) {
        Ok(token) => Ok(state.tokens.validate(&token).await),
        // Too long to be a token, but an attempt at one.
        Err(reason @ Reason::TokenTooLong) => Ok(Err(TokenError::Refused(reason.into()))),
        Err(reason) => Err(reason),
    };
    let mut response = match judged {
        Ok(judged) => {
            state.metrics.judgements.note(Shown::AccessToken, &judged);
            match judged {
                Ok(identity) => state.allowed(&identity),
                Err(error) => challenged(failed(&error, context)),
            }
        }
        // It is 403 because the configurations of those who use this route go by it.
        Err(reason) => {
            let request_id = context.map(RequestContext::id);
            tracing::info!(reason = reason.code(), request_id, "refused");
            state.metrics.judgements.refused(Shown::Nothing, reason);
            let mut response = empty(StatusCode::FORBIDDEN);
            refusals::attach(&mut response, reason.into(), None);
            response
        }
    };
    unread_body::settle(&head, body, &mut response).await;
    response
}

/// A 401 says what would be accepted (RFC 9110 section 15.5.2), and gateways pass it on.
fn challenged(mut response: Response) -> Response {
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(BEARER));
    }
    response
}

impl ExternalState {
    fn allowed(&self, identity: &Identity) -> Response {
        let mut response = Response::default();
        response.headers_mut().reserve(HEADERS);
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        self.identity_headers.say(identity, response.headers_mut());
        response
    }
}

/// The keys that access tokens are signed with.
///
/// Verifiers may keep the set for a time that is shorter than a key is published
/// before it signs.
#[utoipa::path(
    get,
    path = JWKS,
    operation_id = "show_jwks",
    tag = "Keys",
    responses(
        (status = 200, description = "A JWK set (RFC 7517).", body = KeySet),
    )
)]
async fn show_keys(State(tokens): State<Arc<TokenService>>) -> Response {
    let headers =
        [(CONTENT_TYPE, "application/json; charset=utf-8"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, tokens.ring().jwks()).into_response()
}

/// The same where others look for it.
#[utoipa::path(
    get,
    path = WELL_KNOWN_JWKS,
    operation_id = "show_well_known_jwks",
    tag = "Keys",
    responses(
        (status = 200, description = "A JWK set (RFC 7517).", body = KeySet),
    )
)]
async fn show_well_known_keys(tokens: State<Arc<TokenService>>) -> Response {
    show_keys(tokens).await
}

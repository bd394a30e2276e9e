//! The public listener: the endpoints that gateways ask, probes, and our keys.
//!
//! `/forward-auth`, `/auth-request` and `/ext-authz/...` differ in where the gateway says
//! what the original request was. They take any method and query, and answer
//!
//! - 200 without a body: let the request through, with the
//!   [identity headers](crate::IdentityHeaders) of this answer in place of the client's;
//! - 401 with a challenge: the credential is no good. One answer whatever the
//!   reason, which is in the log under the answer's `X-Request-Id`;
//! - 403: by the [rules](crate::access_rules), nobody or not this caller may;
//! - 429 with `Retry-After`: this client asks, or this credential is used, too often;
//! - 503 with `Retry-After`: a dependency is down or full, nobody can be let through.
//!
//! Envoy can ask over gRPC, too, on a [listener of its own](envoy), and is answered alike.
//!
//! A token is good once: a gateway must not ask a second time for one request.

mod documented;
mod envoy;
mod gateway_judge;
mod gateways;
mod original_request;
mod url_prefix;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use countersign_core::{Authenticator, Clock};
use http::StatusCode;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use utoipa::OpenApi as _;

pub use envoy::ENVOY_CHECK;
pub use gateways::PublicService;
pub use url_prefix::{UrlPrefix, UrlPrefixError};

use gateways::GatewayRoutes;

/// The endpoint for gateways that say in `X-Forwarded-*` what the original request was.
pub const FORWARD_AUTH: &str = "/forward-auth";
/// The endpoint for gateways that say it in `X-Original-*`.
pub const AUTH_REQUEST: &str = "/auth-request";
/// The endpoint for gateways that ask with the original method, and with the original path
/// behind this one.
pub const EXT_AUTHZ: &str = "/ext-authz";

use crate::access_rules::AccessRules;
use crate::health;
use crate::key_to_token::{self, ExternalState, TokenRouteLimit, TokenRoutes};
use crate::layers::{Failure, Layers, Limits};
use crate::metrics::{Metrics, Place};
use crate::openapi;
use crate::rate_limits::AddressLimit;
use crate::readiness::Readiness;
use crate::request_context::RequestContexts;
use crate::request_keys::{self, RequestKeys};
use crate::token_service::TokenService;
use countersign_core::IdentityHeaders;

/// What the public routes work with.
#[derive(Clone)]
pub struct PublicState {
    /// Decides who a caller is. Its policy must not name this instance's id as
    /// an audience: tokens for the administration are refused here.
    pub authenticator: Arc<Authenticator>,
    /// Swaps keys for tokens and judges them, if this server does that.
    pub tokens: Option<Arc<TokenService>>,
    /// Which of its routes are here.
    pub token_routes: TokenRoutes,
    /// How the caller's identity is told to the upstream.
    pub identity_headers: IdentityHeaders,
    /// Who may make which requests; everyone who is known may make all if there are none.
    pub rules: Option<Arc<AccessRules>>,
    /// Dates what is done without an operator.
    pub clock: Arc<dyn Clock>,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    /// Whether this server can do its work.
    pub readiness: Arc<Readiness>,
    /// The public keys of our own signed requests.
    pub request_keys: Arc<RequestKeys>,
    /// Makes ids and finds out where requests come from.
    pub contexts: Arc<RequestContexts>,
    /// How much may go on at one time.
    pub limits: Limits,
    /// How often one client may ask.
    pub address_limit: AddressLimit,
    /// What stands before every path.
    pub url_prefix: UrlPrefix,
    /// Whether the routes are described at `/openapi.json`.
    pub openapi: bool,
}

/// What answers on the public listener.
pub fn service(state: PublicState) -> PublicService {
    let layers = Layers::new(Arc::clone(&state.contexts), state.limits, unavailable);
    let gateways = GatewayRoutes::new(&state, layers.clone());
    PublicService::new(gateways, router(state, &layers))
}

/// What answers on the listener for Envoy's gRPC.
pub fn envoy(state: &PublicState) -> Router {
    envoy::routes(state)
}

/// What gateways do not ask with every request.
fn router(state: PublicState, layers: &Layers) -> Router {
    let has_tokens = state.tokens.is_some();
    let (headers, url_prefix) = (state.identity_headers.clone(), state.url_prefix.clone());
    let document = move || {
        let mut document = documented::empty(&url_prefix, has_tokens);
        document.merge(documented::gateways(&headers, has_tokens));
        if has_tokens {
            document.merge(state.token_routes.described_on_public_listener(&headers));
        }
        document.merge(request_keys::Published::openapi());
        document.merge(health::Probes::openapi());
        document
    };
    let description = state.openapi.then(|| openapi::routes(document, documented::everywhere));
    let root = state.tokens.is_some().then(key_to_token::there);
    let token_routes = state.tokens.clone().map(|tokens| {
        let address_limit = TokenRouteLimit::new(state.address_limit, &state.metrics);
        let metrics = Arc::clone(&state.metrics);
        let external = ExternalState { tokens, identity_headers: state.identity_headers, metrics };
        state.token_routes.on_public_listener(external, &address_limit, state.clock)
    });
    let described = token_routes.unwrap_or_default().merge(description.unwrap_or_default());
    let routes = layers
        .limit(described)
        .merge(request_keys::Published::router().with_state(state.request_keys))
        .merge(health::routes(state.readiness));
    layers.observe(state.url_prefix.nest(routes, root))
}

/// Where a request goes that gateways do not ask.
pub(crate) fn place_of(route: Option<&str>, _: &str) -> Place {
    match route {
        Some(ENVOY_CHECK) => Place::Envoy,
        Some(route) if key_to_token::is_route(route) => Place::KeyToToken,
        _ => Place::Public,
    }
}

/// The answer when a dependency is down or there is too much to do. Gateways
/// treat it as a refusal; the caller may try again with a fresh token.
fn unavailable(failure: Failure) -> Response {
    let headers = [(CACHE_CONTROL, "no-store"), (RETRY_AFTER, "1")];
    match failure {
        Failure::TimedOut | Failure::Overloaded => {
            (StatusCode::SERVICE_UNAVAILABLE, headers).into_response()
        }
        Failure::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, headers).into_response(),
    }
}

//! `/v1/accounts/{name}/jwks-endpoints`.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign_core::ports::AdminStore;
use http::StatusCode;

use super::Administration;
use super::accounts::no_such_account;
use super::documented;
use super::extract::{AccountNamed, Actor, InPath, StrictJson, StrictQuery, check_text};
use super::problems::Kind;
use crate::api::{
    AddJwksEndpoint, JwksEndpoint, JwksEndpointQuery, JwksEndpoints, Problem, routes,
};

/// The most JWKS endpoints of an account.
pub(super) const MAX_ENDPOINTS: usize = 16;

/// Which URLs may be trusted as JWKS endpoints: takes a URL as the operator
/// wrote it, gives it normalised, or says what is wrong with it.
#[derive(Clone)]
pub struct JwksUrlRule(Arc<Rule>);

type Rule = dyn Fn(&str) -> Result<String, String> + Send + Sync;

impl JwksUrlRule {
    /// The rule of whoever fetches the URLs.
    pub fn new(rule: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    fn normalise(&self, url: &str) -> Result<String, Problem> {
        (self.0)(url).map_err(|error| Kind::UnacceptableUrl.problem(error))
    }
}

impl Default for JwksUrlRule {
    /// No URL at all: right for a service that fetches none.
    fn default() -> Self {
        Self::new(|_| Err("this server does not fetch JWKS: register the keys themselves".into()))
    }
}

impl fmt::Debug for JwksUrlRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwksUrlRule(..)")
    }
}

/// Lists an account's endpoints.
#[utoipa::path(
    get,
    path = routes::JWKS_ENDPOINTS,
    operation_id = "list_jwks_endpoints",
    tag = "JWKS endpoints",
    params(AccountNamed),
    responses((status = 200, description = "The endpoints, in the order they were added.", body = JwksEndpoints), documented::OfAccount)
)]
pub(super) async fn list(
    State(store): State<Arc<dyn AdminStore>>,
    InPath(account): InPath,
) -> Result<Json<JwksEndpoints>, Problem> {
    let endpoints =
        store.jwks_endpoints(&account).await?.ok_or_else(|| no_such_account(&account))?;
    Ok(Json(JwksEndpoints { endpoints: endpoints.into_iter().map(Into::into).collect() }))
}

/// Trusts a URL; again changes nothing.
#[utoipa::path(
    post,
    path = routes::JWKS_ENDPOINTS,
    operation_id = "add_jwks_endpoint",
    tag = "JWKS endpoints",
    params(AccountNamed),
    request_body = AddJwksEndpoint,
    responses((status = 200, description = "The endpoint.", body = JwksEndpoint), documented::AddJwksEndpoint)
)]
pub(super) async fn add(
    State(state): State<Administration>,
    InPath(account): InPath,
    Actor(act): Actor,
    StrictJson(new): StrictJson<AddJwksEndpoint>,
) -> Result<Json<JwksEndpoint>, Problem> {
    let url = state.jwks_urls.normalise(&new.url)?;
    let known =
        state.store.jwks_endpoints(&account).await?.ok_or_else(|| no_such_account(&account))?;
    if known.len() >= MAX_ENDPOINTS && known.iter().all(|endpoint| endpoint.url != url) {
        return Err(Kind::TooMany.problem(format_args!(
            "an account has at most {MAX_ENDPOINTS} JWKS endpoints: remove one first"
        )));
    }
    Ok(Json(state.store.add_jwks_endpoint(&act, &account, &url).await?.into()))
}

/// Trusts a URL no longer.
#[utoipa::path(
    delete,
    path = routes::JWKS_ENDPOINTS,
    operation_id = "remove_jwks_endpoint",
    tag = "JWKS endpoints",
    params(AccountNamed, JwksEndpointQuery),
    responses((status = 204, description = "It is trusted no longer."), documented::RemoveJwksEndpoint)
)]
pub(super) async fn remove(
    State(state): State<Administration>,
    InPath(account): InPath,
    Actor(act): Actor,
    StrictQuery(query): StrictQuery<JwksEndpointQuery>,
) -> Result<StatusCode, Problem> {
    check_text("`url`", &query.url)?;
    // A URL that the rule would not take today may have been added yesterday.
    let url = state.jwks_urls.normalise(&query.url).unwrap_or(query.url);
    if state.store.remove_jwks_endpoint(&act, &account, &url).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Kind::NoSuchJwksEndpoint.problem(format_args!(
            "no account called {account} has this JWKS endpoint: list its endpoints"
        )))
    }
}

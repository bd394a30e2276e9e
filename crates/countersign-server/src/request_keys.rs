//! The public keys of the requests that this installation signs itself.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::State;
use axum::response::IntoResponse;
use bytes::Bytes;
use countersign_core::{JwkSet, PublicKey};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::openapi::{KeySet, described};

/// Where others fetch the keys.
pub const REQUEST_KEYS: &str = "/.well-known/request-keys.json";

/// A JWK set (RFC 7517 section 5), replaced as a whole when keys change.
pub struct RequestKeys(ArcSwap<Bytes>);

impl RequestKeys {
    /// Publishes these keys, none being a set of its own.
    pub fn new(keys: &[PublicKey]) -> Self {
        Self(ArcSwap::from_pointee(JwkSet::write(keys).into()))
    }

    /// Publishes these keys instead.
    pub fn replace(&self, keys: &[PublicKey]) {
        self.0.store(Arc::new(JwkSet::write(keys).into()));
    }
}

described! {
    /// The route of the keys.
    pub(crate) Published for Arc<RequestKeys> { REQUEST_KEYS => get show; }
}

/// The keys of the requests that this installation signs itself.
///
/// Five minutes is how often a Countersign server that
/// trusts these keys looks for new ones.
#[utoipa::path(
    get,
    path = REQUEST_KEYS,
    operation_id = "show_request_keys",
    tag = "Keys",
    responses((status = 200, description = "A JWK set (RFC 7517).", body = KeySet, content_type = "application/jwk-set+json"))
)]
pub(crate) async fn show(State(keys): State<Arc<RequestKeys>>) -> impl IntoResponse {
    let headers =
        [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, Bytes::clone(&keys.0.load()))
}

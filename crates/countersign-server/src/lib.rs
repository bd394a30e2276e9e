//! Countersign's HTTP service as axum routers: the endpoint that gateways ask,
//! and administration.
//!
//! Nothing here opens a socket; the embedding program does.

pub mod api;
pub mod health;
mod identity_headers;
pub mod internal;

pub mod layers;
mod peer;
pub mod public;
mod readiness;
mod request_context;
mod request_keys;
mod service;
mod unread_body;

use countersign_core::Policy;
use http::HeaderValue;

pub use identity_headers::{IdentityHeaders, IdentityHeadersError};
pub use peer::{PeerAddress, TrustedProxies};
pub use readiness::{CheckOutcome, Readiness, ReadinessCheck, StoreCheck};
pub use request_context::{RequestContexts, X_REQUEST_ID};
pub use request_keys::{REQUEST_KEYS, RequestKeys};
pub use service::{Ports, Service, Settings, SettingsError};

/// The one challenge of a policy: its scheme word (RFC 9110 section 11.6.1).
fn challenge(policy: &Policy) -> HeaderValue {
    HeaderValue::try_from(&policy.scheme).unwrap_or(HeaderValue::from_static("JWT"))
}

//! Countersign's HTTP service: the endpoint that gateways ask, and administration.
//!
//! [`Service`] makes two [`tower`] services from [`Ports`] and [`Settings`]: a
//! [`PublicService`] for gateways and callers, an [`axum`] router for operators.
//! Nothing here opens a socket; the program that does puts a [`PeerAddress`] into
//! each request and may serve both beside its own routes, for example as a
//! router's [`fallback_service`](axum::Router::fallback_service).
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::body::Body;
//! use countersign_core::{AccountName, KeyKind, PrivateKey, RequestSigner, Clock};
//! use countersign_core::ports::{Act, AdminStore, NewAccount, NewPublicKey};
//! use countersign_server::{Ports, Service, Settings};
//! use countersign_store::replay::{ReplayLimits, ReplayWheel};
//! use countersign_store::{LiveDirectory, MemoryStore};
//! use countersign_system::{SystemClock, SystemRandom, random_account_id};
//! use http::{Request, StatusCode};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
//! let accounts = LiveDirectory::start(Arc::new(MemoryStore::default()), None);
//! let guard = ReplayWheel::new(ReplayLimits::default(), clock.clone(), &*random);
//! let ports = Ports {
//!     directory: Arc::new(accounts.clone()),
//!     guard: Arc::new(guard),
//!     store: Arc::new(accounts.clone()),
//!     visits: Arc::new(MemoryStore::default()),
//!     tokens: None,
//!     clock: clock.clone(),
//!     random: random.clone(),
//! };
//! let service = Service::new(ports, Settings::new("payments-eu-1"))?;
//!
//! // Accounts come through the administration API, or straight into the store.
//! let name = AccountName::new("billing-worker-7")?;
//! let key = PrivateKey::generate(KeyKind::Ed25519)?;
//! let act = Act { actor: "deployment".into(), at: clock.now(), from: None };
//! let account = NewAccount { id: random_account_id(&*random), name: name.clone(), groups: vec![] };
//! accounts.create_account(&act, account).await?;
//! let public = NewPublicKey {
//!     key: key.public_key().clone(),
//!     comment: String::new(),
//!     expires_at: None,
//! };
//! accounts.add_public_key(&act, &name, public).await?;
//!
//! // What a gateway asks, and what it is answered.
//! let authorization = RequestSigner::new(name, key).authorization(&*clock, &*random)?;
//! let question = Request::get("/forward-auth").header("authorization", authorization);
//! let answer = service.public().oneshot(question.body(Body::empty())?).await?;
//! assert_eq!(answer.status(), StatusCode::OK);
//! assert_eq!(answer.headers()["x-auth-account"], "billing-worker-7");
//! # Ok(())
//! # }
//! ```
//!
//! What each answer means to a gateway is in [`public`], the administration API
//! in `docs/admin-api.md`.

pub mod access_rules;
pub mod api;
pub mod health;
pub mod internal;
pub mod key_to_token;
mod late_routes;
pub mod layers;
mod metrics;
pub mod openapi;
mod peer;
pub mod public;
mod rate_limits;
mod readiness;
mod refusals;
mod request_context;
mod request_keys;
pub mod self_report;
mod service;
mod token_service;
mod traces;
mod unread_body;

use countersign_core::SignedRequestPolicy;
use http::HeaderValue;

pub use countersign_core::{IdentityHeaders, IdentityHeadersError};
pub use metrics::{
    ClockReading, DirectoryReading, JwksReading, METRICS, Metrics, PoolReading, Surroundings,
    SurroundingsReading,
};
pub use peer::{PeerAddress, TrustedProxies};
pub use public::PublicService;
pub use rate_limits::{AddressLimit, RateLimiters};
pub use readiness::{CheckOutcome, GuardCheck, Readiness, ReadinessCheck, StoreCheck};
pub use refusals::{MAX_REFUSALS, RecentRefusals};
pub use request_context::{RequestContexts, X_REQUEST_ID};
pub use request_keys::{REQUEST_KEYS, RequestKeys};
pub use service::{Ports, Service, Settings, SettingsError};
pub use token_service::{
    ChangeRingError, DEFAULT_API_KEY_LIFETIME, DEFAULT_REFRESH_TOKEN_LIFETIME, LiveKeyRing,
    MAINTENANCE_INTERVAL, MAX_ACCESS_TOKEN_LIFETIME, OpenRingError, RingSettings, RingSharing,
    Session, SigningKeyKind, SigningKeysCheck, TokenError, TokenPorts, TokenService, TokenSettings,
    change_encryption_key, hashing_secret,
};

pub use traces::TRACES;

/// The one challenge of a policy: its scheme word (RFC 9110 section 11.6.1).
fn challenge(policy: &SignedRequestPolicy) -> HeaderValue {
    HeaderValue::try_from(&policy.scheme).unwrap_or(HeaderValue::from_static("JWT"))
}

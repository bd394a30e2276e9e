//! Tower middleware that tells a service who is calling.
//!
//! A [`Policy`] says whose tokens a service takes; [`RequireAuth`] and
//! [`AllowAnonymous`] are layers that ask it. A handler finds the [`Identity`] among
//! the request's extensions or, with the feature `axum`, among its arguments:
//!
//! ```
//! use axum::{Router, routing::get};
//! use countersign_core::SharedSecret;
//! use countersign_tower::{BearerTokens, Identity, Policy, RequireAuth, require_group};
//!
//! # fn build() -> Result<(), Box<dyn std::error::Error>> {
//! # let secret = b"correct horse battery staple and more";
//! let tokens = BearerTokens::shared_secret(SharedSecret::new(secret)?)
//!     .audience("billing")
//!     .groups_claim("groups");
//! let policy = Policy::accepting(tokens).realm("billing").build()?;
//!
//! let app: Router = Router::new()
//!     .route("/close-the-books", get(async || "closed").route_layer(require_group("ops")))
//!     .route("/", get(async |caller: Identity| format!("Hello, {}!", caller.account())))
//!     .layer(RequireAuth::new(policy));
//! # Ok(())
//! # }
//! # build().unwrap();
//! ```
//!
//! - [`SignedRequests`] takes one-time tokens that callers sign with their own keys.
//! - [`BearerTokens`] takes JWTs of an issuer, verified with a shared secret, with
//!   public keys, or by somebody who can tell.
//! - Groups come from a claim or from the service itself: [`PolicyBuilder::groups`].
//! - `PolicySettings` reads a policy from a configuration file (feature `settings`).
//! - Which principals may pass a route is said with [`require_group`], [`require_any`]
//!   and [`acl!`].
//!
//! Use one of the two layers on the way to a handler, not several: a one-time token is
//! good for one of them.

mod acl;
mod answers;
mod authenticate;
mod authorize;
mod bearer_tokens;
#[cfg(feature = "axum")]
mod extract;
mod groups;
mod identity;
mod judgement;
mod policy;
mod principal;
#[cfg(feature = "settings")]
mod settings;
mod signed_requests;

pub use acl::{Acl, Effect, Rule};
pub use answers::{Denial, GuardedBody};
pub use authenticate::{
    AllowAnonymous, Authenticate, AuthenticateFuture, ClientAddress, RequireAuth,
};
pub use authorize::{Authorize, AuthorizeFuture, Authorized, require_any, require_group};
pub use bearer_tokens::{BearerTokens, Dangerous};
#[cfg(feature = "axum")]
pub use extract::{Claims, Rejection, UnverifiedAccount};
pub use groups::{GroupSource, GroupsUnavailable, Membership};
pub use identity::Identity;
pub use policy::{MAX_LEEWAY, Policy, PolicyBuilder, PolicyError, Scheme};
pub use principal::{Principal, effective_principals};
#[cfg(feature = "settings")]
pub use settings::{PolicySettings, SettingsError, SignedRequestSettings};
pub use signed_requests::SignedRequests;

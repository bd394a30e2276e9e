//! Tower middleware that authenticates signed requests.
//!
//! ```
//! use std::sync::Arc;
//!
//! use countersign_core::Authenticator;
//! use countersign_tower::AuthenticateLayer;
//! use tower::ServiceBuilder;
//!
//! # fn build(authenticator: Arc<Authenticator>) {
//! // 401 and a challenge for whoever does not prove who it is.
//! let protected = ServiceBuilder::new().layer(AuthenticateLayer::required(authenticator.clone()));
//! // Callers without a good token go on as nobody.
//! let open = ServiceBuilder::new().layer(AuthenticateLayer::optional(authenticator));
//! # let _ = (protected, open);
//! # }
//! ```
//!
//! A handler finds the [`Identity`](countersign_core::Identity) among the
//! request's extensions.

mod authenticate;

pub use authenticate::{Authenticate, AuthenticateLayer, ClientAddress, ResponseFuture};

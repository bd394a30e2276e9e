//! The routes of `jwthenticator`, with its bodies and status codes: what its clients
//! send works, and they understand every answer.
//!
//! They drop their key at a 401 from `/authenticate`, so that is only for what is final;
//! what may pass is 503.

mod answers;
mod external;
mod fields;
mod internal;

use std::sync::Arc;

use axum::Router;
use countersign_core::Clock;

use crate::identity_headers::IdentityHeaders;
use crate::token_service::TokenService;
pub(crate) use external::there;
pub use external::{
    AUTHENTICATE, HEALTH, JWKS, REFRESH, ROOT, VALIDATE, VALIDATE_REQUEST, WELL_KNOWN_JWKS,
};
pub use internal::{IS_KEY_REGISTERED, REGISTER_KEY};

/// Which of the routes there are, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRoutes {
    /// What holders of keys and tokens call: on the public listener.
    pub external: bool,
    /// What those call who hand out keys.
    pub internal: InternalRoutes,
}

/// Where keys are registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InternalRoutes {
    /// Nowhere over HTTP.
    Off,
    /// On the internal listener.
    Internal,
    /// Also on the public one, where anybody who reaches it can register keys.
    AlsoPublic,
}

impl Default for TokenRoutes {
    fn default() -> Self {
        Self { external: true, internal: InternalRoutes::Internal }
    }
}

impl TokenRoutes {
    pub(crate) fn on_public_listener(
        self,
        tokens: Arc<TokenService>,
        identity_headers: IdentityHeaders,
        clock: Arc<dyn Clock>,
    ) -> Router {
        let mut routes = external::status_routes().merge(external::key_routes(Arc::clone(&tokens)));
        if self.external {
            let tokens = Arc::clone(&tokens);
            routes = routes
                .merge(external::routes(external::ExternalState { tokens, identity_headers }));
        }
        if self.internal == InternalRoutes::AlsoPublic {
            routes = routes.merge(internal::routes(internal::InternalState { tokens, clock }));
        }
        routes
    }

    pub(crate) fn on_internal_listener(
        self,
        tokens: Arc<TokenService>,
        clock: Arc<dyn Clock>,
    ) -> Router {
        match self.internal {
            InternalRoutes::Off => Router::new(),
            InternalRoutes::Internal | InternalRoutes::AlsoPublic => {
                internal::routes(internal::InternalState { tokens, clock })
            }
        }
    }
}

//! The routes of `jwthenticator`, with its bodies and status codes: what its clients
//! send works, and they understand every answer.
//!
//! They drop their key at a 401 from `/authenticate`, so that is only for what is final;
//! what may pass is 503.

mod address_limit;
mod answers;
mod external;
mod fields;
mod registration;
mod wire;

use std::sync::Arc;

use axum::Router;
use countersign_core::Clock;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::openapi;
use crate::token_service::TokenService;
pub(crate) use address_limit::TokenRouteLimit;
use countersign_core::IdentityHeaders;
pub use external::{
    AUTHENTICATE, HEALTH, JWKS, REFRESH, ROOT, VALIDATE, VALIDATE_REQUEST, WELL_KNOWN_JWKS,
};
pub(crate) use external::{ExternalState, there, validate_request};
pub use registration::{IS_KEY_REGISTERED, REGISTER_KEY};

/// Which of the routes there are, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRoutes {
    /// What holders of keys and tokens call: on the public listener.
    pub external: bool,
    /// What those call who hand out keys.
    pub registration: Registration,
}

/// Where keys are registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nowhere over HTTP.
    Off,
    /// On the internal listener.
    Internal,
    /// Also on the public one, where anybody who reaches it can register keys.
    AlsoPublic,
}

/// Whether this path of a route, perhaps behind a prefix, is one at which keys and tokens are
/// swapped, judged or registered.
pub(crate) fn is_route(path: &str) -> bool {
    let mut routes =
        [AUTHENTICATE, REFRESH, VALIDATE, VALIDATE_REQUEST, REGISTER_KEY, IS_KEY_REGISTERED].iter();
    routes.any(|route| path.ends_with(route))
}

impl Default for TokenRoutes {
    fn default() -> Self {
        Self { external: true, registration: Registration::Internal }
    }
}

impl TokenRoutes {
    pub(crate) fn on_public_listener(
        self,
        state: ExternalState,
        limit: &TokenRouteLimit,
        clock: Arc<dyn Clock>,
    ) -> Router {
        let tokens = Arc::clone(&state.tokens);
        let key_sets = external::KeySets::router().with_state(Arc::clone(&tokens));
        let mut routes = external::Status::router().merge(key_sets);
        if self.external {
            routes = routes.merge(limit.of(external::routes(state)));
        }
        if self.registration == Registration::AlsoPublic {
            let state = registration::RegistrationState { tokens, clock };
            routes = routes.merge(limit.of(registration::routes(state)));
        }
        routes
    }

    pub(crate) fn on_internal_listener(
        self,
        tokens: Arc<TokenService>,
        limit: &TokenRouteLimit,
        clock: Arc<dyn Clock>,
    ) -> Router {
        match self.registration {
            Registration::Off => Router::new(),
            Registration::Internal | Registration::AlsoPublic => {
                let state = registration::RegistrationState { tokens, clock };
                limit.of(registration::routes(state))
            }
        }
    }

    /// Describes the routes of the public listener.
    pub(crate) fn described_on_public_listener(self, headers: &IdentityHeaders) -> OpenApi {
        let mut document = external::Status::openapi();
        document.merge(external::KeySets::openapi());
        if self.external {
            document.merge(external::External::openapi());
            let said = headers.described();
            openapi::add_headers(&mut document, VALIDATE_REQUEST, "200", said);
        }
        if self.registration == Registration::AlsoPublic {
            document.merge(registration::Registered::openapi());
        }
        wire::refusals(&mut document);
        document
    }

    /// Describes the routes of the internal listener.
    pub(crate) fn described_on_internal_listener(self, document: &mut OpenApi) {
        if self.registration != Registration::Off {
            let mut registration = registration::Registered::openapi();
            wire::refusals(&mut registration);
            document.merge(registration);
        }
    }
}

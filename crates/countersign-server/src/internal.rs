//! The internal listener: administration, and probes.
//!
//! Every call is checked in this order: the `Host` and the site it comes from,
//! the limits, the credential, the group; only then is it looked at what it
//! asks. A caller without a right credential gets one answer, whether or not
//! there is such a route, account or key.

mod accounts;
mod api_keys;
mod audit;
mod bodies;
mod console;
mod documented;
mod extract;
mod health_report;
mod instance;
mod jwks_endpoints;
mod operator;
mod problems;
mod public_keys;
mod role;
mod same_site;
mod self_report;
mod signing_keys;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use countersign_core::ports::{AdminStore, Directory, VisitStore};
use countersign_core::{Authenticator, Clock, Random};
use tower::Layer as _;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

pub use bodies::{BODY_TIMEOUT, MAX_BODY_BYTES};
pub use jwks_endpoints::JwksUrlRule;
pub use same_site::{AllowedHosts, Scheme};

use crate::api::routes;
use crate::health;
use crate::key_to_token::{self, TokenRouteLimit, TokenRoutes};
use crate::layers::{Failure, Layers, Limits};
use crate::metrics::{self, Metrics, Place};
use crate::openapi::{self, described};
use crate::rate_limits::AddressLimit;
use crate::readiness::Readiness;
use crate::refusals::RecentRefusals;
use crate::request_context::RequestContexts;
use crate::self_report::SelfReporter;
use crate::token_service::TokenService;
use crate::traces;
use api_keys::Tokens;
use bodies::Bodies;
use console::sign_in::ConsoleLinks;
use console::{Console, Visitors};
use operator::Gatekeeper;
use problems::Kind;
use same_site::SameSite;

/// What the internal routes work with.
#[derive(Clone)]
pub struct InternalState {
    /// Decides who a caller is. Its policy requires a binding, and its one
    /// audience is the instance's id.
    pub authenticator: Arc<Authenticator>,
    /// Decides who a caller of the public listener is, for operators who ask why one is
    /// refused.
    pub public_authenticator: Arc<Authenticator>,
    /// Who may come into the console and who is in.
    pub visits: Arc<dyn VisitStore>,
    /// What was refused lately, on both listeners.
    pub refusals: Arc<RecentRefusals>,
    /// Whether a console session's key is still good.
    pub directory: Arc<dyn Directory>,
    /// What is administrated.
    pub store: Arc<dyn AdminStore>,
    /// Swaps keys for tokens, if this server does that.
    pub tokens: Option<Arc<TokenService>>,
    /// Which of its routes are here.
    pub token_routes: TokenRoutes,
    /// Dates the acts.
    pub clock: Arc<dyn Clock>,
    /// Draws account ids.
    pub random: Arc<dyn Random>,
    /// What administrative tokens name in `aud`.
    pub instance_id: Arc<str>,
    /// Which URLs may be trusted as JWKS endpoints.
    pub jwks_urls: JwksUrlRule,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    /// Whether this server can do its work.
    pub readiness: Arc<Readiness>,
    /// What it finds when it looks at itself.
    pub(crate) self_reporter: SelfReporter,
    /// The names under which this listener may be asked.
    pub allowed_hosts: AllowedHosts,
    /// Whether this listener speaks TLS.
    pub scheme: Scheme,
    /// Makes ids and finds out where requests come from.
    pub contexts: Arc<RequestContexts>,
    /// How much may go on at one time.
    pub limits: Limits,
    /// How often one client may ask.
    pub address_limit: AddressLimit,
    /// Whether the routes are described at `/openapi.json`.
    pub openapi: bool,
}

/// What the handlers of administrative calls work with.
#[derive(Clone)]
struct Administration {
    store: Arc<dyn AdminStore>,
    random: Arc<dyn Random>,
    jwks_urls: JwksUrlRule,
}

/// The internal routes.
pub fn router(state: InternalState) -> Router {
    let clock = Arc::clone(&state.clock);
    let registration = state.tokens.clone().map(|tokens| {
        let limit = TokenRouteLimit::new(state.address_limit.clone(), &state.metrics);
        state.token_routes.on_internal_listener(tokens, &limit, clock)
    });
    let layers = Layers::new(state.contexts, state.limits, last_resort);
    let console_links = ConsoleLinks {
        visitors: Visitors(Arc::clone(&state.visits)),
        clock: Arc::clone(&state.clock),
        random: Arc::clone(&state.random),
    };
    let administration =
        Administration { store: state.store, random: state.random, jwks_urls: state.jwks_urls };
    let tokens =
        state.tokens.map(|service| Tokens { service, random: Arc::clone(&administration.random) });
    let bodies = Arc::new(Bodies::within(&state.limits));
    let console = console::routes(Console {
        bodies: Arc::clone(&bodies),
        administration: administration.clone(),
        tokens: tokens.clone(),
        directory: state.directory,
        clock: Arc::clone(&state.clock),
        random: Arc::clone(&administration.random),
        scheme: state.scheme,
        public_authenticator: state.public_authenticator,
        refusals: state.refusals,
        visitors: Visitors(state.visits),
    });
    let gatekeeper = Gatekeeper {
        challenge: crate::challenge(state.authenticator.policy()),
        authenticator: state.authenticator,
        clock: state.clock,
        scheme: state.scheme,
        bodies,
        metrics: Arc::clone(&state.metrics),
        address_limit: state.address_limit,
    };
    let (has_tokens, token_routes) = (tokens.is_some(), state.token_routes);
    let tokens = tokens.map(|tokens| TokenAdministrationRoutes::router().with_state(tokens));
    let others = SelfReportRoutes::router()
        .with_state(state.self_reporter.clone())
        .merge(tokens.unwrap_or_default());
    let description = state.openapi.then(|| {
        openapi::routes(move || document(has_tokens, token_routes), documented::everywhere)
    });
    // Around the router, not its routes: it would add `Allow` to the refusal of
    // a method, and so tell strangers which routes there are.
    let guarded = from_fn_with_state(Arc::new(gatekeeper), operator::admit)
        .layer(administration_routes(administration, console_links, others));
    let open = registration.unwrap_or_default().merge(description.unwrap_or_default());
    let routes = layers
        .limit(open.merge(console).fallback_service(guarded))
        .merge(Instance::router().with_state(state.instance_id))
        .merge(HealthReportRoutes::router().with_state(state.self_reporter))
        .merge(metrics::routes(state.metrics))
        .merge(health::routes(state.readiness));
    let same_site = Arc::new(SameSite { hosts: state.allowed_hosts, scheme: state.scheme });
    let checked = routes.layer(from_fn_with_state(same_site, same_site::check));
    layers.observe(checked.layer(from_fn(console::problem_page::dress)))
}

/// Where a request goes, by its path: it is judged before any route is looked for.
pub(crate) fn place_of(_: Option<&str>, path: &str) -> Place {
    if path.starts_with(routes::PREFIX) {
        Place::Administration
    } else if path.starts_with(console::HOME) {
        Place::Console
    } else if key_to_token::is_route(path) {
        Place::Registration
    } else {
        Place::Internal
    }
}

/// Describes the routes of the listener. Nobody signs for the document: it says no more
/// than the documentation of this version does.
fn document(has_tokens: bool, token_routes: TokenRoutes) -> OpenApi {
    let mut guarded = AdministrationRoutes::openapi();
    guarded.merge(ConsoleLinkRoutes::openapi());
    guarded.merge(SelfReportRoutes::openapi());
    if has_tokens {
        guarded.merge(TokenAdministrationRoutes::openapi());
    }
    documented::guard(&mut guarded);
    let mut document = documented::empty();
    document.merge(guarded);
    if has_tokens {
        token_routes.described_on_internal_listener(&mut document);
    }
    document.merge(Instance::openapi());
    document.merge(HealthReportRoutes::openapi());
    document.merge(metrics::Scraped::openapi());
    document.merge(health::Probes::openapi());
    document
}

described! {
    /// Which server this is.
    Instance for Arc<str> { routes::INSTANCE => get instance::show; }
}

described! {
    /// What concerns API keys, tokens and signing keys.
    TokenAdministrationRoutes for Tokens {
        routes::API_KEYS => get api_keys::list, post api_keys::create;
        routes::API_KEY => patch api_keys::change;
        routes::REVOKE_API_KEY => post api_keys::revoke;
        routes::REVOKE_TOKEN => post api_keys::revoke_token;
        routes::SIGNING_KEYS => get signing_keys::list, post signing_keys::import;
        routes::ROTATE_SIGNING_KEYS => post signing_keys::rotate;
        routes::RETIRE_SIGNING_KEY => post signing_keys::retire;
    }
}

described! {
    /// The way into the console.
    ConsoleLinkRoutes for ConsoleLinks {
        routes::CONSOLE_LINKS => post console::sign_in::create_link;
    }
}

described! {
    /// What the server finds when it looks at itself.
    SelfReportRoutes for SelfReporter { routes::SELF_REPORT => get self_report::show; }
}

described! {
    /// The part of it that needs no signature.
    HealthReportRoutes for SelfReporter { routes::HEALTH_REPORT => get health_report::show; }
}

described! {
    /// All else that is administrated.
    AdministrationRoutes for Administration {
        routes::ACCOUNTS => get accounts::list, post accounts::create;
        routes::ACCOUNT => get accounts::show, patch accounts::change, delete accounts::delete;
        routes::KEYS => get public_keys::list, post public_keys::add;
        routes::KEY => patch public_keys::change;
        routes::REVOKE_KEY => post public_keys::revoke;
        routes::JWKS_ENDPOINTS => get jwks_endpoints::list, post jwks_endpoints::add, delete jwks_endpoints::remove;
        routes::REVOKE_TOKENS => post accounts::revoke_tokens;
        routes::AUDIT => get audit::list;
    }
}

fn administration_routes(
    state: Administration,
    console_links: ConsoleLinks,
    others: Router,
) -> Router {
    AdministrationRoutes::router()
        .with_state(state)
        .merge(ConsoleLinkRoutes::router().with_state(console_links))
        .merge(others)
        .route_layer(from_fn(traces::name_route))
        .fallback(|| async { Kind::NoSuchRoute.problem("there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            Kind::MethodNotAllowed.problem("this path does not know this method")
        })
}

fn last_resort(failure: Failure) -> Response {
    let problem = match failure {
        Failure::TimedOut => Kind::Unavailable.problem("the call took too long: try again"),
        Failure::Overloaded => {
            Kind::Unavailable.problem("too many calls are being handled: try again in a second")
        }
        Failure::Panicked => Kind::Internal.problem("this is a defect; the log says where"),
    };
    problem.into_response()
}

impl FromRef<Administration> for Arc<dyn AdminStore> {
    fn from_ref(state: &Administration) -> Self {
        Arc::clone(&state.store)
    }
}

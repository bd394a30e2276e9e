//! What answers on each listener, from ports and settings.

use std::sync::Arc;

use axum::Router;
use countersign_core::ports::{AdminStore, Directory, ReplayGuard, VisitStore};
use countersign_core::{Authenticator, Binding, Clock, PublicKey, Random, SignedRequestPolicy};
use http::HeaderName;

use crate::access_rules::AccessRules;
use crate::api::{GuardKind, HealthReport};
use crate::internal::{self, AllowedHosts, InternalState, JwksUrlRule, Scheme};
use crate::key_to_token::TokenRoutes;
use crate::late_routes::late;
use crate::layers::Limits;
use crate::metrics::{Metrics, Place, Surroundings};
use crate::peer::TrustedProxies;
use crate::public::{self, PublicService, PublicState, UrlPrefix};
use crate::rate_limits::{AddressLimit, Loopback, RateLimiters};
use crate::readiness::{Readiness, ReadinessCheck};
use crate::refusals::RecentRefusals;
use crate::request_context::RequestContexts;
use crate::request_keys::RequestKeys;
use crate::self_report::{SelfCheck, SelfReporter};
use crate::token_service::{BEARER, TokenService};
use countersign_core::{IdentityHeaders, IdentityHeadersError};

/// What the service needs from the world.
#[derive(Clone)]
pub struct Ports {
    /// Who a claimed account is.
    pub directory: Arc<dyn Directory>,
    /// Remembers which tokens were spent.
    pub guard: Arc<dyn ReplayGuard>,
    /// What is administrated. After an act has returned, the directory must
    /// know: a revoked key is refused on the next request.
    pub store: Arc<dyn AdminStore>,
    /// Keeps who may come into the console and who is in. Servers that share it let the same
    /// visitors in.
    pub visits: Arc<dyn VisitStore>,
    /// Swaps keys for tokens and judges them, if this service does that.
    pub tokens: Option<Arc<TokenService>>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Draws ids.
    pub random: Arc<dyn Random>,
}

/// How the service behaves; [`Settings::new`] has a default for everything else.
#[derive(Clone)]
pub struct Settings {
    /// What administrative tokens name in `aud`: different for every installation.
    pub instance_id: String,
    /// What the public listener accepts.
    pub policy: SignedRequestPolicy,
    /// Which routes of the key-to-token service there are, and where.
    pub token_routes: TokenRoutes,
    /// How a caller's identity is told to the upstream.
    pub identity_headers: IdentityHeaders,
    /// Who may make which requests through a gateway; everyone who is known may make all
    /// if there are none.
    pub rules: Option<Arc<AccessRules>>,
    /// What stands before every public path.
    pub url_prefix: UrlPrefix,
    /// Whose word about a client's address is taken on the public listener.
    pub trusted_proxies: TrustedProxies,
    /// Whose word is taken on the internal listener: by default nobody's, so that
    /// the audit trail says where calls really came from.
    pub internal_trusted_proxies: TrustedProxies,
    /// How much may go on at one time on the public listener.
    pub public_limits: Limits,
    /// How much may go on at one time on the internal listener.
    pub internal_limits: Limits,
    /// How often one client may ask, and one public key be used.
    pub rate_limits: RateLimiters,
    /// The public keys of our own signed requests.
    pub request_keys: Vec<PublicKey>,
    /// The names under which the internal listener may be asked.
    pub internal_hosts: AllowedHosts,
    /// Whether the internal listener speaks TLS.
    pub internal_scheme: Scheme,
    /// Which URLs may be trusted as JWKS endpoints.
    pub jwks_urls: JwksUrlRule,
    /// Whether each listener describes its routes at `/openapi.json`.
    pub openapi: bool,
    /// Where the replay guard has its memory, for operators.
    pub guard_kind: GuardKind,
    /// What must work before requests are welcome.
    pub checks: Vec<Arc<dyn ReadinessCheck>>,
    /// What else the server looks at when it reports on itself.
    pub self_checks: Vec<Arc<dyn SelfCheck>>,
    /// What the metrics say beside what the service itself knows.
    pub surroundings: Option<Surroundings>,
}

/// The settings contradict themselves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The identity headers' names would not do.
    #[error(transparent)]
    IdentityHeaders(#[from] IdentityHeadersError),
    /// Administrative tokens would be accepted on the public listener.
    #[error("the instance's id must not be an audience of the public listener: remove `{0}`")]
    InstanceIsAudience(String),
    /// An instance without an id could not be told from another.
    #[error("the instance's id must not be empty")]
    NoInstanceId,
    /// Two kinds of credentials could not be told apart.
    #[error("`{BEARER}` is the scheme word of access tokens: give signed requests another one")]
    SchemeTaken,
    /// The scheme word cannot stand in a header.
    #[error("`{0}` cannot be the scheme word: letters, digits and `!#$%&'*+-.^_`|~` only")]
    Scheme(String),
}

/// The service, ready to be served on its listeners.
pub struct Service {
    public: PublicState,
    internal: InternalState,
}

impl Settings {
    /// The defaults for an installation with this id.
    pub fn new(instance_id: impl Into<String>) -> Self {
        Self {
            instance_id: instance_id.into(),
            policy: SignedRequestPolicy::default(),
            token_routes: TokenRoutes::default(),
            identity_headers: IdentityHeaders::default(),
            rules: None,
            url_prefix: UrlPrefix::default(),
            trusted_proxies: TrustedProxies::default(),
            internal_trusted_proxies: TrustedProxies::new([]),
            public_limits: Limits::PUBLIC,
            internal_limits: Limits::INTERNAL,
            rate_limits: RateLimiters::default(),
            request_keys: Vec::new(),
            internal_hosts: AllowedHosts::loopback_and([]),
            internal_scheme: Scheme::Http,
            jwks_urls: JwksUrlRule::default(),
            openapi: true,
            guard_kind: GuardKind::default(),
            checks: Vec::new(),
            self_checks: Vec::new(),
            surroundings: None,
        }
    }

    fn check(&self) -> Result<(), SettingsError> {
        self.identity_headers.check()?;
        // A scheme word and a header's name follow the same grammar, the token
        // of RFC 9110 section 5.6.2.
        if HeaderName::try_from(&self.policy.scheme).is_err() {
            return Err(SettingsError::Scheme(self.policy.scheme.clone()));
        }
        if self.instance_id.is_empty() {
            return Err(SettingsError::NoInstanceId);
        }
        if self.policy.audiences.contains(&self.instance_id) {
            return Err(SettingsError::InstanceIsAudience(self.instance_id.clone()));
        }
        Ok(())
    }
}

impl Service {
    /// Puts the service together.
    ///
    /// # Errors
    /// [`SettingsError`] if the settings contradict themselves.
    pub fn new(ports: Ports, settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        if ports.tokens.is_some() && settings.policy.scheme.eq_ignore_ascii_case(BEARER) {
            return Err(SettingsError::SchemeTaken);
        }
        let readiness = Arc::new(Readiness::new(settings.checks, Arc::clone(&ports.clock)));
        let administration = SignedRequestPolicy {
            binding: Binding::Required,
            audiences: vec![settings.instance_id.clone()],
            ..settings.policy.clone()
        };
        let refusals = Arc::new(RecentRefusals::new(Arc::clone(&ports.clock)));
        let metrics = Arc::new(Metrics::new(
            (Arc::clone(&ports.guard), ports.tokens.clone()),
            settings.surroundings,
            Arc::clone(&ports.clock),
        ));
        let contexts = |trusted, place_of: fn(Option<&str>, &str) -> Place| {
            let contexts = RequestContexts::new(trusted, &*ports.random)
                .with_refusals(Arc::clone(&refusals))
                .with_traffic(Arc::clone(&metrics.traffic), place_of);
            Arc::new(contexts)
        };
        let headers = settings.identity_headers.described();
        let healthy = HealthReport {
            replay_guard: settings.guard_kind,
            identity_headers: headers.map(|(name, _)| name.to_string()).into(),
            checks: Vec::new(),
        };
        let self_reporter = SelfReporter::new(
            (Arc::clone(&ports.store), Arc::clone(&ports.guard)),
            ports.tokens.clone(),
            (&ports.clock, healthy),
            settings.self_checks,
        );
        let rate_limits = settings.rate_limits;
        let authenticator = match &rate_limits.per_credential {
            Some(limiter) => {
                ports.authenticator(settings.policy).with_credential_limit(Arc::clone(limiter))
            }
            None => ports.authenticator(settings.policy),
        };
        let authenticator = Arc::new(authenticator);
        let public = PublicState {
            authenticator: Arc::clone(&authenticator),
            tokens: ports.tokens.clone(),
            token_routes: settings.token_routes,
            clock: Arc::clone(&ports.clock),
            identity_headers: settings.identity_headers,
            rules: settings.rules,
            readiness: Arc::clone(&readiness),
            request_keys: Arc::new(RequestKeys::new(&settings.request_keys)),
            contexts: contexts(settings.trusted_proxies, public::place_of),
            metrics: Arc::clone(&metrics),
            limits: settings.public_limits,
            address_limit: AddressLimit::new(&rate_limits, Loopback::Counts),
            url_prefix: settings.url_prefix,
            openapi: settings.openapi,
        };
        let internal = InternalState {
            // Operators are not held back by what they have proved to be.
            authenticator: Arc::new(ports.authenticator(administration)),
            public_authenticator: authenticator,
            contexts: contexts(settings.internal_trusted_proxies, internal::place_of),
            metrics,
            directory: Arc::clone(&ports.directory),
            visits: ports.visits,
            refusals,
            store: ports.store,
            tokens: ports.tokens,
            token_routes: settings.token_routes,
            clock: ports.clock,
            random: ports.random,
            instance_id: settings.instance_id.into(),
            jwks_urls: settings.jwks_urls,
            readiness,
            self_reporter,
            allowed_hosts: settings.internal_hosts,
            scheme: settings.internal_scheme,
            limits: settings.internal_limits,
            address_limit: AddressLimit::new(&rate_limits, Loopback::DoesNot),
            openapi: settings.openapi,
        };
        Ok(Self { public, internal })
    }

    /// What answers on the public listener.
    pub fn public(&self) -> PublicService {
        public::service(self.public.clone())
    }

    /// What answers Envoy's gRPC, on a listener of its own.
    pub fn envoy(&self) -> Router {
        public::envoy(&self.public)
    }

    /// The routes of the internal listener.
    pub fn internal(&self) -> Router {
        let state = self.internal.clone();
        late(move || internal::router(state))
    }

    /// Whether the service can do its work; to be drained before it stops.
    pub fn readiness(&self) -> &Arc<Readiness> {
        &self.public.readiness
    }

    /// The published keys, to be replaced when they change.
    pub fn request_keys(&self) -> &Arc<RequestKeys> {
        &self.public.request_keys
    }
}

impl Ports {
    fn authenticator(&self, policy: SignedRequestPolicy) -> Authenticator {
        let (directory, guard) = (Arc::clone(&self.directory), Arc::clone(&self.guard));
        Authenticator::new(policy, directory, guard, Arc::clone(&self.clock))
    }
}

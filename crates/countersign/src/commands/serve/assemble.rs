//! The service put together: store, directory, replay guard and remote keys
//! behind the routes of the listeners.

use std::path::Path;
use std::sync::Arc;

use countersign_core::{EncryptionKey, PublicKey, SignedRequestPolicy};
use countersign_server::api::GuardKind;
use countersign_server::internal::{AllowedHosts, JwksUrlRule, Scheme};
use countersign_server::layers::Limits;
use countersign_server::{
    GuardCheck, LiveKeyRing, Ports, ReadinessCheck, Service, Settings as ServiceSettings,
    SigningKeysCheck, StoreCheck, TrustedProxies,
};
use countersign_store::{
    Database, Following, HttpFetcher, JwksUrl, LiveDirectory, OutOfTouch, PostgresTrail,
    RemoteJwks, SqlStore,
};
use countersign_system::{SystemClock, SystemRandom};

use super::clocks::ClockCheck;
use super::guard_wait::GuardWait;
use super::place::{self, InPlace};
use super::replay_guard::Opened;
use super::surroundings::surroundings;
use super::{clocks, rate_limits, replay_guard, self_checks, tokens};
use crate::config::Settings;
use crate::databases::Databases;
use crate::failure::Failure;
use crate::key_file;
use crate::traces::TracedGuard;

/// A service, and what must be written down when it ends.
pub(super) struct Assembled {
    pub(super) service: Service,
    directory: LiveDirectory,
    databases: Databases,
}

impl Assembled {
    /// Puts the service together and begins to read the accounts.
    ///
    /// # Errors
    /// A [`Failure`] that names the setting or the file that will not do.
    pub(super) async fn new(
        settings: &Settings,
        (databases, store): (Databases, SqlStore),
        encryption_key: EncryptionKey,
        instance_id: String,
    ) -> Result<Self, Failure> {
        let Opened { guard, memory } =
            replay_guard::open(settings, &databases, &instance_id).await?;
        let presence = place::take(settings, &databases.main, memory).await?;
        let guard = match presence {
            Some(presence) => Arc::new(InPlace { guard, presence }) as _,
            None => guard,
        };
        let guard_wait = GuardWait::watch(Arc::clone(&guard));
        let guard = match settings.otlp {
            Some(_) => Arc::new(TracedGuard(guard)),
            None => guard,
        };
        let rate_limits = rate_limits::open(settings, &instance_id).await?;
        let service_settings = service_settings(settings, instance_id.clone())?;
        let remote_jwks = Arc::new(RemoteJwks::new(
            settings.jwks_rules(),
            Arc::new(HttpFetcher::new(settings.jwks_rules())),
            Arc::new(SystemClock),
            Arc::new(SystemRandom),
        ));
        // One after the other: each connection that reads at the same time costs memory.
        let ring = tokens::ring(&settings.tokens, &store, encryption_key).await?;
        // Other servers work on the same database only if they remember spent nonces together.
        let is_alone = !settings.replay.guard.is_shared(store.database());
        let out_of_touch = if is_alone { OutOfTouch::GoOn } else { OutOfTouch::AskTheStore };
        let trail = match store.database() {
            Database::Sqlite(_) => None,
            Database::Postgres(server) => Some(Arc::new(PostgresTrail::new(server.clone()))),
        };
        let redis = replay_guard::probe(settings, &instance_id)?;
        let guard_kind = settings.replay.guard.kind(store.database());
        // Rate limits go by the clock of Redis alone.
        let clock_of_redis = redis.as_ref().filter(|_| guard_kind == GuardKind::Redis);
        let clocks = clocks::watch(trail.as_ref(), clock_of_redis);
        let shared = trail.map(|trail| (trail, &ring, out_of_touch));
        let directory = directory(&store, Arc::clone(&remote_jwks), shared);
        let surroundings =
            surroundings(&directory, &remote_jwks, (&databases, &clocks), &guard_wait);
        let around = self_checks::Surroundings {
            databases: &databases,
            directory: &directory,
            jwks: &remote_jwks,
            clocks: &clocks,
            redis: redis.as_ref(),
        };
        let self_checks = self_checks::of(settings, &around);
        let tokens = tokens::service(
            &settings.tokens,
            (&store, &directory),
            (Arc::clone(&ring), rate_limits.per_credential.clone()),
        );
        let administration = Arc::new(directory.clone());
        let ports = Ports {
            directory: Arc::new(directory.clone()),
            guard,
            store: Arc::clone(&administration) as _,
            visits: Arc::new(store.clone()),
            tokens: Some(tokens),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        };
        let checks: Vec<Arc<dyn ReadinessCheck>> = vec![
            Arc::new(StoreCheck(administration)),
            Arc::new(GuardCheck(Arc::clone(&ports.guard))),
            Arc::new(SigningKeysCheck(ring)),
            Arc::new(ClockCheck(clocks)),
            guard_wait,
        ];
        let service_settings = ServiceSettings {
            guard_kind,
            checks,
            self_checks,
            surroundings: Some(surroundings),
            rate_limits,
            ..service_settings
        };
        let service = Service::new(ports, service_settings).map_err(Failure::usage)?;
        Ok(Self { service, directory, databases })
    }

    /// Writes down what is still in memory and folds the log into the database.
    pub(super) async fn close(self) {
        if let Err(error) = self.directory.close().await {
            tracing::warn!(%error, "the last uses of keys could not be written down");
        }
        self.databases.close().await;
    }
}

/// The directory: of a file, which is this server's alone, or of a database that other servers
/// and commands change too.
fn directory(
    store: &SqlStore,
    remote_jwks: Arc<RemoteJwks>,
    shared: Option<(Arc<PostgresTrail>, &Arc<LiveKeyRing>, OutOfTouch)>,
) -> LiveDirectory {
    let (accounts, endpoint_keys) = (Arc::new(store.clone()), Some(remote_jwks as _));
    let Some((trail, ring, out_of_touch)) = shared else {
        return LiveDirectory::start(accounts, endpoint_keys);
    };
    let following = Following { trail, signing_keys: Some(Arc::clone(ring) as _), out_of_touch };
    LiveDirectory::follow(accounts, endpoint_keys, following)
}

fn service_settings(settings: &Settings, instance_id: String) -> Result<ServiceSettings, Failure> {
    let defaults = ServiceSettings::new(instance_id);
    let limits = |limits| Limits { request_timeout: settings.limits.request_timeout, ..limits };
    let rules = settings.jwks_rules();
    Ok(ServiceSettings {
        policy: SignedRequestPolicy {
            scheme: settings.scheme.clone(),
            tolerance: settings.tolerance,
            audiences: settings.audiences.names.clone(),
            binding: settings.audiences.binding,
            ..SignedRequestPolicy::default()
        },
        token_routes: tokens::routes(&settings.tokens),
        identity_headers: settings.identity_headers.clone(),
        rules: settings.rules.clone(),
        url_prefix: settings.url_prefix.clone(),
        openapi: settings.openapi,
        trusted_proxies: match &settings.trusted_proxies {
            Some(networks) => TrustedProxies::new(networks.iter().copied()),
            None => TrustedProxies::default(),
        },
        public_limits: limits(defaults.public_limits),
        internal_limits: limits(defaults.internal_limits),
        request_keys: request_keys(settings)?,
        internal_hosts: internal_hosts(settings),
        internal_scheme: if settings.tls.is_some() { Scheme::Https } else { Scheme::Http },
        jwks_urls: JwksUrlRule::new(move |url| match JwksUrl::parse(url, &rules) {
            Ok(url) => Ok(url.as_str().to_owned()),
            Err(error) => Err(error.to_string()),
        }),
        ..defaults
    })
}

/// The names of loopback, those in the settings, and the address itself.
fn internal_hosts(settings: &Settings) -> AllowedHosts {
    let address = settings.internal_listen.ip();
    let own = (!address.is_unspecified()).then(|| address.to_string());
    AllowedHosts::loopback_and(settings.internal_hosts.iter().cloned().chain(own))
}

fn request_keys(settings: &Settings) -> Result<Vec<PublicKey>, Failure> {
    let read = |path: &std::path::PathBuf| key_file::read_public(Path::new(path));
    settings.request_keys.iter().map(|path| read(path).map(|(key, _)| key)).collect()
}

//! The settings as the server uses them: complete, and checked against each other.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::{
    Algorithm, DEFAULT_ACCESS_TOKEN_LIFETIME, DEFAULT_SCHEME, DEFAULT_TOLERANCE,
};
use countersign_server::access_rules::AccessRules;
use countersign_server::public::UrlPrefix;
use countersign_server::{
    DEFAULT_API_KEY_LIFETIME, DEFAULT_REFRESH_TOKEN_LIFETIME, IdentityHeaders,
    MAX_ACCESS_TOKEN_LIFETIME,
};
use countersign_store::{JwksRules, PostgresLimits, PostgresUrl};
use http::HeaderName;
use ipnet::IpNet;

use super::audiences::Audiences;
use super::compat::Original;
use super::options::ServeOptions;
use super::otlp::OtlpEndpoint;
use super::rate_limits::RateLimits;
use super::replay::ReplaySettings;
use super::values::{LogFormat, LogLevel, Registration, Span, Synchronous};
use crate::data_directory;
use crate::data_directory::Paths;
use crate::failure::Failure;
use crate::rules_file;

/// The widest window around a token's time.
const MAX_TOLERANCE: Duration = Duration::from_hours(1);
/// The longest life of a key or a refresh token: ten years.
const MAX_LIFETIME: Duration = Duration::from_hours(3650 * 24);
/// How long a signing key signs, unless configured.
const DEFAULT_SIGNING_KEY_LIFETIME: Duration = Duration::from_hours(90 * 24);
/// The shortest time for which a signing key can sign.
const MIN_SIGNING_KEY_LIFETIME: Duration = Duration::from_hours(1);
/// The longest time for load balancers to notice that a server stops, and for requests under
/// way to finish. Whoever waits for it to end, another server among them, waits for both.
const MAX_DRAIN: Duration = Duration::from_hours(1);
/// The smallest buffer for a header section that the HTTP library takes.
const MIN_HEADER_BYTES: u32 = 8192;

/// A certificate chain and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// Everything `serve` needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) internal_listen: SocketAddr,
    pub(crate) envoy_listen: Option<SocketAddr>,
    pub(crate) internal_hosts: Vec<String>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) url_prefix: UrlPrefix,
    pub(crate) openapi: bool,
    /// `None` is the service's own default: loopback.
    pub(crate) trusted_proxies: Option<Vec<IpNet>>,
    pub(crate) scheme: String,
    pub(crate) tolerance: Duration,
    pub(crate) audiences: Audiences,
    /// Read with the settings, so that a bad file leaves nothing behind.
    pub(crate) rules: Option<Arc<AccessRules>>,
    pub(crate) identity_headers: IdentityHeaders,
    pub(crate) tokens: TokenOptions,
    pub(crate) database: DatabaseLocation,
    pub(crate) encryption_key_file: Option<PathBuf>,
    pub(crate) replay: ReplaySettings,
    pub(crate) synchronous: Synchronous,
    pub(crate) limits: Limits,
    pub(crate) rate_limits: RateLimits,
    pub(crate) request_keys: Vec<PathBuf>,
    pub(crate) bootstrap_admin_public_key: Option<String>,
    pub(crate) dangerous_allow_insecure_jwks: bool,
    /// Where traces are sent, if they are.
    pub(crate) otlp: Option<OtlpEndpoint>,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: LogLevel,
}

/// What the key-to-token service does.
#[derive(Clone, Debug)]
pub(crate) struct TokenOptions {
    pub(crate) issuer: Option<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) access_token_lifetime: Duration,
    pub(crate) refresh_token_lifetime: Duration,
    pub(crate) api_key_lifetime: Duration,
    pub(crate) signing_algorithm: Algorithm,
    /// `None` leaves rotation to operators.
    pub(crate) signing_key_lifetime: Option<Duration>,
    pub(crate) external_api: bool,
    pub(crate) registration: Registration,
    pub(crate) dangerous_allow_any_identifier: bool,
    /// Whether tokens have the members of `jwthenticator`'s and no others.
    pub(crate) original_claims: bool,
    /// What its environment brings along.
    pub(crate) original: Original,
}

/// Where accounts, keys and tokens live.
#[derive(Clone, Debug)]
pub(crate) enum DatabaseLocation {
    /// In the data directory.
    DataDirectory,
    /// In another file.
    File(PathBuf),
    /// On a PostgreSQL server.
    Postgres(Box<PostgresUrl>, PostgresLimits),
}

impl DatabaseLocation {
    /// What a person calls it: its file, or the setting that says where it is, which may hold
    /// a password.
    pub(crate) fn named(&self, paths: &Paths) -> String {
        match self {
            Self::DataDirectory => paths.database().display().to_string(),
            Self::File(path) => path.display().to_string(),
            Self::Postgres(..) => "database_url".to_owned(),
        }
    }

    /// Reads the URL in a setting. It is not repeated in an error: it may hold a
    /// password.
    pub(crate) fn read(setting: &str, url: &str, limits: PostgresLimits) -> Result<Self, Failure> {
        if let Some(file) = url.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            if file.is_empty() || file.contains('?') {
                return Err(Failure::usage(format_args!(
                    "{setting} names no file, expected for example sqlite:///var/lib/countersign/main.db"
                )));
            }
            return Ok(Self::File(file.into()));
        }
        match PostgresUrl::parse(url) {
            Ok(url) => Ok(Self::Postgres(Box::new(url), limits)),
            Err(error) => Err(Failure::usage(format_args!("{setting}: {error}"))),
        }
    }
}

/// What one caller may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) header_bytes: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) header_timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) drain_delay: Duration,
    pub(crate) drain_timeout: Duration,
}

impl Settings {
    /// Fills in the defaults, which stand here and nowhere else (and in the
    /// help text, which a test compares).
    pub(super) fn resolve(options: ServeOptions, original: Original) -> Result<Self, Failure> {
        let names = IdentityHeaders::default();
        let capacity = count("replay_capacity", options.replay_capacity, 1 << 24)?;
        let limits = Limits::resolve(&options)?;
        let rate_limits = RateLimits::resolve(&options)?;
        let replay = ReplaySettings::resolve(&options, capacity, rate_limits)?;
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let settings = Self {
            data_dir: options.data_dir.map_or_else(data_directory::default_path, Ok)?,
            listen: options.listen.unwrap_or_else(|| loopback(8080)),
            internal_listen: options.internal_listen.unwrap_or_else(|| loopback(8081)),
            envoy_listen: options.envoy_listen,
            internal_hosts: options.internal_hosts.unwrap_or_default(),
            tls: tls_files(options.tls_cert, options.tls_key)?,
            url_prefix: url_prefix(&options.url_prefix.unwrap_or_default())?,
            openapi: options.openapi.unwrap_or(true),
            trusted_proxies: options.trusted_proxies,
            scheme: options.scheme.unwrap_or_else(|| DEFAULT_SCHEME.to_owned()),
            tolerance: tolerance(options.tolerance)?,
            audiences: Audiences::resolve(options.audiences, options.required_audience)?,
            identity_headers: IdentityHeaders {
                account: header("account_header", options.account_header, names.account)?,
                account_id: header(
                    "account_id_header",
                    options.account_id_header,
                    names.account_id,
                )?,
                groups: header("groups_header", options.groups_header, names.groups)?,
                method: header("method_header", options.method_header, names.method)?,
                credential: header(
                    "credential_header",
                    options.credential_header,
                    names.credential,
                )?,
                identifier: header(
                    "identifier_header",
                    options.identifier_header,
                    names.identifier,
                )?,
            },
            tokens: TokenOptions {
                issuer: options.issuer,
                audiences: options.token_audiences.unwrap_or_default(),
                access_token_lifetime: access_token_lifetime(options.access_token_lifetime)?,
                refresh_token_lifetime: lifetime(
                    "refresh_token_lifetime",
                    options.refresh_token_lifetime,
                    DEFAULT_REFRESH_TOKEN_LIFETIME,
                )?,
                api_key_lifetime: lifetime(
                    "api_key_lifetime",
                    options.api_key_lifetime,
                    DEFAULT_API_KEY_LIFETIME,
                )?,
                signing_algorithm: options.signing_algorithm.unwrap_or(Algorithm::Es256),
                signing_key_lifetime: signing_key_lifetime(options.signing_key_lifetime)?,
                external_api: options.external_api.unwrap_or(true),
                registration: options.registration.unwrap_or(Registration::Internal),
                dangerous_allow_any_identifier: options
                    .dangerous_allow_any_identifier
                    .unwrap_or(false),
                original_claims: options.compat.is_some(),
                original,
            },
            database: database(
                options.database_url.as_deref(),
                PostgresLimits {
                    connections: connections(options.database_connections)?,
                    connect_timeout: span(
                        "database_connect_timeout",
                        options.database_connect_timeout,
                        5,
                    )?,
                    statement_timeout: span(
                        "database_statement_timeout",
                        options.database_statement_timeout,
                        5,
                    )?,
                },
            )?,
            encryption_key_file: options.encryption_key_file,
            replay,
            synchronous: options.synchronous.unwrap_or(Synchronous::Normal),
            limits,
            rate_limits,
            rules: options.rules_file.as_deref().map(rules_file::read).transpose()?.map(Arc::new),
            request_keys: options.request_keys.unwrap_or_default(),
            bootstrap_admin_public_key: options.bootstrap_admin_public_key,
            dangerous_allow_insecure_jwks: options.dangerous_allow_insecure_jwks.unwrap_or(false),
            otlp: OtlpEndpoint::resolve(options.otlp_endpoint.as_deref(), &|name| {
                std::env::var(name).ok()
            })?,
            log_format: options.log_format.unwrap_or(LogFormat::Text),
            log_level: options.log_level.unwrap_or(LogLevel::Info),
        };
        let beyond_loopback = options.internal_beyond_loopback.unwrap_or(false);
        check_internal(settings.internal_listen, beyond_loopback)?;
        Ok(settings)
    }

    /// Which URLs accounts may publish their keys at.
    pub(crate) fn jwks_rules(&self) -> JwksRules {
        JwksRules { dangerous_allow_insecure: self.dangerous_allow_insecure_jwks }
    }
}

impl Limits {
    fn resolve(options: &ServeOptions) -> Result<Self, Failure> {
        Ok(Self {
            header_bytes: header_bytes(options.max_header_bytes.unwrap_or(32_768))?,
            request_timeout: span("request_timeout", options.request_timeout, 10)?,
            header_timeout: span("header_timeout", options.header_timeout, 75)?,
            connections: count("max_connections", options.max_connections, 4096)?,
            drain_delay: drain("drain_delay", options.drain_delay, 0)?,
            drain_timeout: drain("drain_timeout", options.drain_timeout, 30)?,
        })
    }
}

fn tls_files(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>, Failure> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Failure::usage("tls_cert is set without tls_key: TLS needs both")),
        (None, Some(_)) => Err(Failure::usage("tls_key is set without tls_cert: TLS needs both")),
    }
}

/// The API behind the internal listener makes administrators.
fn check_internal(address: SocketAddr, beyond_loopback: bool) -> Result<(), Failure> {
    if address.ip().is_loopback() || beyond_loopback {
        return Ok(());
    }
    Err(Failure::usage(format_args!(
        "internal_listen is {address}, which other machines can reach: use a loopback address, or add --internal-beyond-loopback (and TLS) if that is what you want"
    )))
}

/// A span that must not be zero: nothing would ever be in time.
fn span(setting: &str, given: Option<Span>, default_seconds: u64) -> Result<Duration, Failure> {
    let span = given.map_or(Duration::from_secs(default_seconds), |span| span.0);
    if span.is_zero() {
        return Err(Failure::usage(format_args!("{setting} is 0, expected a span such as 10s")));
    }
    Ok(span)
}

/// A span within which a signal to stop must come to its end; it may be zero.
fn drain(setting: &str, given: Option<Span>, default_seconds: u64) -> Result<Duration, Failure> {
    let span = given.map_or(Duration::from_secs(default_seconds), |span| span.0);
    if span > MAX_DRAIN {
        return Err(Failure::usage(format_args!(
            "{setting} is {}, expected at most {}",
            Span(span),
            Span(MAX_DRAIN)
        )));
    }
    Ok(span)
}

/// A number that must not be zero: nobody would ever get in.
fn count(setting: &str, given: Option<u32>, default: u32) -> Result<usize, Failure> {
    match given.unwrap_or(default) {
        0 => Err(Failure::usage(format_args!("{setting} is 0, expected at least 1"))),
        count => Ok(count as usize),
    }
}

/// Every token is remembered for twice the tolerance, so a wide one costs memory
/// and gives thieves time.
fn tolerance(given: Option<Span>) -> Result<Duration, Failure> {
    let tolerance = given.map_or(DEFAULT_TOLERANCE, |span| span.0);
    if tolerance.is_zero() || tolerance > MAX_TOLERANCE {
        return Err(Failure::usage(format_args!(
            "tolerance is {}, expected more than 0s and at most {}",
            Span(tolerance),
            Span(MAX_TOLERANCE)
        )));
    }
    Ok(tolerance)
}

fn lifetime(setting: &str, given: Option<Span>, default: Duration) -> Result<Duration, Failure> {
    let lifetime = given.map_or(default, |span| span.0);
    if lifetime < Duration::from_secs(1) || lifetime > MAX_LIFETIME {
        return Err(Failure::usage(format_args!(
            "{setting} is {}, expected at least 1s and at most {}",
            Span(lifetime),
            Span(MAX_LIFETIME)
        )));
    }
    Ok(lifetime)
}

fn access_token_lifetime(given: Option<Span>) -> Result<Duration, Failure> {
    let lifetime = lifetime("access_token_lifetime", given, DEFAULT_ACCESS_TOKEN_LIFETIME)?;
    if lifetime > MAX_ACCESS_TOKEN_LIFETIME {
        return Err(Failure::usage(format_args!(
            "access_token_lifetime is {}, expected at most {}: what is revoked is not remembered longer",
            Span(lifetime),
            Span(MAX_ACCESS_TOKEN_LIFETIME)
        )));
    }
    Ok(lifetime)
}

/// Rotating faster than a new key is published ahead would come to nothing.
fn signing_key_lifetime(given: Option<Span>) -> Result<Option<Duration>, Failure> {
    let lifetime = given.map_or(DEFAULT_SIGNING_KEY_LIFETIME, |span| span.0);
    if !lifetime.is_zero() && lifetime < MIN_SIGNING_KEY_LIFETIME {
        return Err(Failure::usage(format_args!(
            "signing_key_lifetime is {}, expected 0s or at least {}",
            Span(lifetime),
            Span(MIN_SIGNING_KEY_LIFETIME)
        )));
    }
    Ok((!lifetime.is_zero()).then_some(lifetime))
}

fn connections(given: Option<u32>) -> Result<u32, Failure> {
    let count = count("database_connections", given, PostgresLimits::default().connections)?;
    u32::try_from(count).map_err(Failure::usage)
}

fn database(url: Option<&str>, limits: PostgresLimits) -> Result<DatabaseLocation, Failure> {
    url.map_or(Ok(DatabaseLocation::DataDirectory), |url| {
        DatabaseLocation::read("database_url", url, limits)
    })
}

fn header_bytes(given: u32) -> Result<usize, Failure> {
    if given < MIN_HEADER_BYTES {
        return Err(Failure::usage(format_args!(
            "max_header_bytes is {given}, expected at least {MIN_HEADER_BYTES}"
        )));
    }
    Ok(given as usize)
}

/// A path such as `/auth`; one slash at its end is forgiven.
fn url_prefix(path: &str) -> Result<UrlPrefix, Failure> {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.parse().map_err(|error| Failure::usage(format_args!("url_prefix: {error}")))
}

fn header(
    setting: &str,
    given: Option<String>,
    default: HeaderName,
) -> Result<HeaderName, Failure> {
    given.map_or(Ok(default), |name| {
        name.parse().map_err(|_| {
            Failure::usage(format_args!(
                "{setting} is `{name}`, expected a header's name such as `X-Auth-Account`"
            ))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::replay::GuardChoice;
    use super::*;

    fn resolve(toml: &str) -> Result<Settings, Failure> {
        let options: ServeOptions = toml::from_str(toml).unwrap();
        let options = ServeOptions { data_dir: Some("/data".into()), ..options };
        Settings::resolve(options, Original::default())
    }

    #[test]
    fn the_help_text_tells_the_defaults() {
        use clap::Args as _;
        let settings = resolve("").unwrap();
        let command = ServeOptions::augment_args(clap::Command::new("serve"));
        let help = |name: &str| {
            let found = command.get_arguments().find(|arg| arg.get_id() == name).unwrap();
            found.get_help().unwrap().to_string()
        };
        let span = |span| Span(span).to_string().replace("1m 15s", "75s");
        let days = |span: Duration| format!("{}d", span.as_secs() / 86_400);
        let limits = settings.limits;
        let headers = &settings.identity_headers;
        for (name, default) in [
            ("listen", settings.listen.to_string()),
            ("internal_listen", settings.internal_listen.to_string()),
            ("openapi", settings.openapi.to_string()),
            ("scheme", settings.scheme.clone()),
            ("tolerance", span(settings.tolerance)),
            ("account_header", headers.account.to_string()),
            ("account_id_header", headers.account_id.to_string()),
            ("groups_header", headers.groups.to_string()),
            ("method_header", headers.method.to_string()),
            ("credential_header", headers.credential.to_string()),
            ("identifier_header", headers.identifier.to_string()),
            ("access_token_lifetime", span(settings.tokens.access_token_lifetime)),
            ("refresh_token_lifetime", days(settings.tokens.refresh_token_lifetime)),
            ("api_key_lifetime", days(settings.tokens.api_key_lifetime)),
            ("signing_algorithm", settings.tokens.signing_algorithm.to_string()),
            ("signing_key_lifetime", days(settings.tokens.signing_key_lifetime.unwrap())),
            ("external_api", settings.tokens.external_api.to_string()),
            ("registration", "internal".into()),
            ("database_connections", PostgresLimits::default().connections.to_string()),
            ("database_connect_timeout", span(PostgresLimits::default().connect_timeout)),
            ("database_statement_timeout", span(PostgresLimits::default().statement_timeout)),
            ("replay_guard", "durable".into()),
            ("replay_capacity", settings.replay.capacity.to_string()),
            ("replay_timeout", span(settings.replay.timeout)),
            ("synchronous", "normal".into()),
            ("max_header_bytes", limits.header_bytes.to_string()),
            ("request_timeout", span(limits.request_timeout)),
            ("header_timeout", span(limits.header_timeout)),
            ("max_connections", limits.connections.to_string()),
            ("drain_delay", span(limits.drain_delay)),
            ("drain_timeout", span(limits.drain_timeout)),
            ("log_format", "text".into()),
            ("log_level", "info".into()),
        ] {
            let help = help(name);
            let expected = format!("[default: {default}]").to_lowercase();
            assert!(help.to_lowercase().contains(&expected), "{name}: {help}");
        }
        assert_eq!(settings.tokens.registration, Registration::Internal);
        assert!(matches!(settings.replay.guard, GuardChoice::Durable));
        assert_eq!(settings.synchronous, Synchronous::Normal);
        assert_eq!(settings.log_format, LogFormat::Text);
        assert_eq!(settings.log_level, LogLevel::Info);
    }

    #[test]
    fn the_internal_listener_leaves_loopback_only_when_told_so() {
        let refused = resolve("internal_listen = \"0.0.0.0:8081\"").unwrap_err();
        assert!(refused.to_string().contains("--internal-beyond-loopback"), "{refused}");
        assert!(
            resolve("internal_listen = \"0.0.0.0:8081\"\ninternal_beyond_loopback = true").is_ok()
        );
    }

    #[test]
    fn settings_that_do_not_fit_are_refused_by_name() {
        assert_eq!(resolve("drain_delay = \"1h\"").unwrap().limits.drain_delay, MAX_DRAIN);
        for (toml, name) in [
            ("tls_cert = \"a\"", "tls_cert"),
            ("tls_key = \"a\"", "tls_key"),
            ("groups_header = \"X Auth\"", "groups_header"),
            ("url_prefix = \"auth\"", "url_prefix"),
            ("max_header_bytes = 100", "max_header_bytes"),
            ("max_connections = 0", "max_connections"),
            ("replay_capacity = 0", "replay_capacity"),
            ("replay_timeout = \"0s\"", "replay_timeout"),
            ("replay_guard = \"redis\"", "redis_url"),
            ("redis_url = \"redis://:secret@a\"", "redis_url"),
            ("replay_guard = \"redis\"\nredis_url = \"http://:secret@a\"", "redis_url"),
            (
                "replay_guard = \"redis\"\nredis_url = \"redis://a\"\nredis_namespace = \"{}\"",
                "redis_namespace",
            ),
            ("request_timeout = \"0s\"", "request_timeout"),
            ("header_timeout = \"0s\"", "header_timeout"),
            ("drain_delay = \"61m\"", "drain_delay is 1h 1m, expected at most 1h"),
            ("drain_delay = \"100000d\"", "drain_delay"),
            ("drain_timeout = \"61m\"", "drain_timeout is 1h 1m, expected at most 1h"),
            ("tolerance = \"0s\"", "tolerance"),
            ("tolerance = \"2h\"", "tolerance"),
            ("required_audience = \"\"", "required_audience"),
            ("required_audience = \"eu\"\naudiences = [\"api\"]", "required_audience"),
            ("access_token_lifetime = \"32d\"", "access_token_lifetime"),
            ("access_token_lifetime = \"0s\"", "access_token_lifetime"),
            ("refresh_token_lifetime = \"4000d\"", "refresh_token_lifetime"),
            ("api_key_lifetime = \"0s\"", "api_key_lifetime"),
            ("signing_key_lifetime = \"5m\"", "signing_key_lifetime"),
            ("database_connections = 0", "database_connections"),
            ("database_statement_timeout = \"0s\"", "database_statement_timeout"),
            ("database_url = \"mysql://a:secret@b/c\"", "database_url"),
            ("database_url = \"postgres://a:secret@b:x/c\"", "database_url"),
            ("database_url = \"sqlite://\"", "database_url"),
        ] {
            let refused = resolve(toml).unwrap_err();
            assert!(refused.to_string().starts_with(name), "{refused}");
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
    }
}

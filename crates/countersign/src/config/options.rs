//! Every option of `serve`, written down once: its flag, its environment
//! variable, its key in the settings file, and its help.

#![expect(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use countersign_core::Algorithm;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

use super::compat::Compat;
use super::rate_limits::Rate;
use super::values::{LogFormat, LogLevel, Registration, ReplayGuardKind, Span, Synchronous};

/// The options as one source gives them: what it does not name is `None`.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServeOptions {
    /// Where accounts, keys and spent nonces live. [default: /var/lib/countersign as root, else $XDG_DATA_HOME/countersign]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Take the place of another product: read its environment, use its port, claims and lifetimes.
    #[arg(long, value_enum, env = "COUNTERSIGN_COMPAT", help_heading = "Listeners")]
    pub(crate) compat: Option<Compat>,

    /// The address that gateways and callers reach. [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "COUNTERSIGN_LISTEN", help_heading = "Listeners")]
    pub(crate) listen: Option<SocketAddr>,

    /// The address of the administration API. [default: 127.0.0.1:8081]
    #[arg(
        long,
        value_name = "ADDR",
        env = "COUNTERSIGN_INTERNAL_LISTEN",
        help_heading = "Listeners"
    )]
    pub(crate) internal_listen: Option<SocketAddr>,

    /// The address at which Envoy asks over gRPC (ext_authz); 127.0.0.1:8082 if none is given. [default: Envoy is not listened to]
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:8082")]
    #[arg(env = "COUNTERSIGN_ENVOY_LISTEN", help_heading = "Listeners")]
    pub(crate) envoy_listen: Option<SocketAddr>,

    /// Allow --internal-listen on an address that other machines can reach.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    #[arg(env = "COUNTERSIGN_INTERNAL_BEYOND_LOOPBACK", help_heading = "Listeners")]
    pub(crate) internal_beyond_loopback: Option<bool>,

    /// Host names by which the administration API may be called, besides the loopback ones.
    #[arg(long, value_name = "HOST", value_delimiter = ',', help_heading = "Listeners")]
    #[arg(env = "COUNTERSIGN_INTERNAL_HOSTS")]
    pub(crate) internal_hosts: Option<Vec<String>>,

    /// Certificate chain (PEM) for all listeners; read again when the file changes.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_TLS_CERT", help_heading = "Listeners")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key (PEM) of --tls-cert.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_TLS_KEY", help_heading = "Listeners")]
    pub(crate) tls_key: Option<PathBuf>,

    /// A path that all public routes begin with, for example /auth. [default: none]
    #[arg(long, value_name = "PATH", env = "COUNTERSIGN_URL_PREFIX", help_heading = "Listeners")]
    pub(crate) url_prefix: Option<String>,

    /// Whether each listener describes its routes at /openapi.json, with a page at /docs. [default: true]
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    #[arg(env = "COUNTERSIGN_OPENAPI", help_heading = "Listeners")]
    pub(crate) openapi: Option<bool>,

    /// Proxies (addresses or networks) whose X-Forwarded-For names the caller. [default: loopback]
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    #[arg(env = "COUNTERSIGN_TRUSTED_PROXIES", help_heading = "Listeners")]
    #[serde(deserialize_with = "networks")]
    pub(crate) trusted_proxies: Option<Vec<IpNet>>,

    /// The scheme word of the Authorization header. [default: JWT]
    #[arg(long, value_name = "WORD", env = "COUNTERSIGN_SCHEME", help_heading = "Policy")]
    pub(crate) scheme: Option<String>,

    /// How far a token's time may lie from now, either way. [default: 20s]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_TOLERANCE", help_heading = "Policy")]
    pub(crate) tolerance: Option<Span>,

    /// Names this service goes by in a token's aud claim.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Policy")]
    #[arg(env = "COUNTERSIGN_AUDIENCES")]
    pub(crate) audiences: Option<Vec<String>>,

    /// The name of this region: signed requests must say in aud that they are for it alone. [default: they need not]
    #[arg(
        long,
        value_name = "NAME",
        env = "COUNTERSIGN_REQUIRED_AUDIENCE",
        help_heading = "Policy"
    )]
    pub(crate) required_audience: Option<String>,

    /// Rules on what gateways let through (`countersign rules check --help`). [default: whoever is known may make any request]
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_RULES_FILE", help_heading = "Policy")]
    pub(crate) rules_file: Option<PathBuf>,

    /// Header that carries the account's name. [default: X-Auth-Account]
    #[arg(long, value_name = "NAME", help_heading = "Identity headers")]
    #[arg(env = "COUNTERSIGN_ACCOUNT_HEADER")]
    pub(crate) account_header: Option<String>,

    /// Header that carries the account's id. [default: X-Auth-Account-Id]
    #[arg(long, value_name = "NAME", help_heading = "Identity headers")]
    #[arg(env = "COUNTERSIGN_ACCOUNT_ID_HEADER")]
    pub(crate) account_id_header: Option<String>,

    /// Header that carries the account's groups, comma-joined. [default: X-Auth-Groups]
    #[arg(long, value_name = "NAME", help_heading = "Identity headers")]
    #[arg(env = "COUNTERSIGN_GROUPS_HEADER")]
    pub(crate) groups_header: Option<String>,

    /// Header that says how the caller proved itself. [default: X-Auth-Method]
    #[arg(long, value_name = "NAME", help_heading = "Identity headers")]
    #[arg(env = "COUNTERSIGN_METHOD_HEADER")]
    pub(crate) method_header: Option<String>,

    /// Header that carries the fingerprint of the key. [default: X-Auth-Credential]
    #[arg(long, value_name = "NAME", help_heading = "Identity headers")]
    #[arg(env = "COUNTERSIGN_CREDENTIAL_HEADER")]
    pub(crate) credential_header: Option<String>,

    /// Header that carries the identifier which the holder of an access token claims. [default: X-Auth-Identifier]
    #[arg(long, value_name = "NAME", help_heading = "Identity headers")]
    #[arg(env = "COUNTERSIGN_IDENTIFIER_HEADER")]
    pub(crate) identifier_header: Option<String>,

    /// Who issues access tokens (iss). [default: not said]
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_ISSUER", help_heading = "Tokens")]
    pub(crate) issuer: Option<String>,

    /// For whom access tokens are (aud). [default: not said]
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Tokens")]
    #[arg(env = "COUNTERSIGN_TOKEN_AUDIENCES")]
    pub(crate) token_audiences: Option<Vec<String>>,

    /// How long an access token is good, at most 31d. [default: 15m]
    #[arg(long, value_name = "SPAN", help_heading = "Tokens")]
    #[arg(env = "COUNTERSIGN_ACCESS_TOKEN_LIFETIME")]
    pub(crate) access_token_lifetime: Option<Span>,

    /// How long a refresh token is good. [default: 60d]
    #[arg(long, value_name = "SPAN", help_heading = "Tokens")]
    #[arg(env = "COUNTERSIGN_REFRESH_TOKEN_LIFETIME")]
    pub(crate) refresh_token_lifetime: Option<Span>,

    /// How long a registered API key is good. [default: 120d]
    #[arg(long, value_name = "SPAN", help_heading = "Tokens")]
    #[arg(env = "COUNTERSIGN_API_KEY_LIFETIME")]
    pub(crate) api_key_lifetime: Option<Span>,

    /// What new signing keys sign with. [default: ES256]
    #[arg(long, value_name = "ALG", value_parser = algorithm, help_heading = "Tokens")]
    #[arg(env = "COUNTERSIGN_SIGNING_ALGORITHM")]
    #[serde(deserialize_with = "algorithm_in_file")]
    pub(crate) signing_algorithm: Option<Algorithm>,

    /// How long a signing key signs before the next one does; 0s leaves that to operators. [default: 90d]
    #[arg(long, value_name = "SPAN", help_heading = "Tokens")]
    #[arg(env = "COUNTERSIGN_SIGNING_KEY_LIFETIME")]
    pub(crate) signing_key_lifetime: Option<Span>,

    /// Whether keys are swapped for tokens, and tokens judged, on the public listener. [default: true]
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    #[arg(env = "COUNTERSIGN_EXTERNAL_API", help_heading = "Tokens")]
    pub(crate) external_api: Option<bool>,

    /// Where keys are registered; nobody has to sign for that. [default: internal]
    #[arg(long, value_enum, env = "COUNTERSIGN_REGISTRATION", help_heading = "Tokens")]
    pub(crate) registration: Option<Registration>,

    /// Let any key holder claim any identifier, as jwthenticator does: anyone can pass for anyone.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    #[arg(env = "COUNTERSIGN_DANGEROUS_ALLOW_ANY_IDENTIFIER", help_heading = "Tokens")]
    pub(crate) dangerous_allow_any_identifier: Option<bool>,

    /// A database instead of the file in the data directory: postgres://user:password@host/name, or sqlite://FILE.
    #[arg(long, value_name = "URL", hide_env_values = true, help_heading = "Storage")]
    #[arg(env = "COUNTERSIGN_DATABASE_URL")]
    pub(crate) database_url: Option<String>,

    /// How many connections to PostgreSQL at most. [default: 8]
    #[arg(long, value_name = "N", env = "COUNTERSIGN_DATABASE_CONNECTIONS")]
    #[arg(help_heading = "Storage")]
    pub(crate) database_connections: Option<u32>,

    /// How long to wait for a connection to PostgreSQL. [default: 5s]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_DATABASE_CONNECT_TIMEOUT")]
    #[arg(help_heading = "Storage")]
    pub(crate) database_connect_timeout: Option<Span>,

    /// How long PostgreSQL may take for one statement. [default: 5s]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_DATABASE_STATEMENT_TIMEOUT")]
    #[arg(help_heading = "Storage")]
    pub(crate) database_statement_timeout: Option<Span>,

    /// The key that seals secrets in the database, 32 bytes in base64. [default: made in the data directory]
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_ENCRYPTION_KEY_FILE")]
    #[arg(help_heading = "Storage")]
    pub(crate) encryption_key_file: Option<PathBuf>,

    /// Where spent nonces are remembered. [default: durable]
    #[arg(long, value_enum, env = "COUNTERSIGN_REPLAY_GUARD", help_heading = "Storage")]
    pub(crate) replay_guard: Option<ReplayGuardKind>,

    /// How many live nonces are remembered before callers get 503. [default: 16777216]
    #[arg(long, value_name = "N", env = "COUNTERSIGN_REPLAY_CAPACITY", help_heading = "Storage")]
    pub(crate) replay_capacity: Option<u32>,

    /// How long a replay guard outside of this process may take before callers get 503. [default: 1s]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_REPLAY_TIMEOUT", help_heading = "Storage")]
    pub(crate) replay_timeout: Option<Span>,

    /// Tell a shared replay guard --tolerance, once at the start, where the servers had another before: signed requests wait.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    #[arg(env = "COUNTERSIGN_CHANGE_TOLERANCE", help_heading = "Storage")]
    pub(crate) change_tolerance: Option<bool>,

    /// The Redis of --replay-guard redis: redis://user:password@host/0, redis+cluster://host,host or redis+sentinel://host,host/name; rediss with TLS.
    #[arg(long, value_name = "URL", hide_env_values = true, help_heading = "Storage")]
    #[arg(env = "COUNTERSIGN_REDIS_URL")]
    pub(crate) redis_url: Option<String>,

    /// A file with the URL of Redis, instead of --redis-url.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_REDIS_URL_FILE", help_heading = "Storage")]
    pub(crate) redis_url_file: Option<PathBuf>,

    /// What sets this installation's keys apart in a Redis that others use too. [default: the installation's id]
    #[arg(
        long,
        value_name = "NAME",
        env = "COUNTERSIGN_REDIS_NAMESPACE",
        help_heading = "Storage"
    )]
    pub(crate) redis_namespace: Option<String>,

    /// Certificate (PEM) of the authority of Redis's certificates. [default: the system's authorities]
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_REDIS_CA_FILE", help_heading = "Storage")]
    pub(crate) redis_ca_file: Option<PathBuf>,

    /// Vouch for a Redis that hides its settings: it keeps what it acknowledges (appendfsync always) and evicts nothing.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    #[arg(env = "COUNTERSIGN_DANGEROUS_REDIS_DURABILITY_UNCHECKED", help_heading = "Storage")]
    pub(crate) dangerous_redis_durability_unchecked: Option<bool>,

    /// When SQLite waits for the disk. [default: normal]
    #[arg(long, value_enum, env = "COUNTERSIGN_SYNCHRONOUS", help_heading = "Storage")]
    pub(crate) synchronous: Option<Synchronous>,

    /// The longest header section of a request, in bytes (at least 8192). [default: 32768]
    #[arg(long, value_name = "N", env = "COUNTERSIGN_MAX_HEADER_BYTES", help_heading = "Limits")]
    pub(crate) max_header_bytes: Option<u32>,

    /// The longest time from a request's header to its answer. [default: 10s]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_REQUEST_TIMEOUT", help_heading = "Limits")]
    pub(crate) request_timeout: Option<Span>,

    /// The longest time a connection may take to send a request's header, or stay idle. [default: 75s]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_HEADER_TIMEOUT", help_heading = "Limits")]
    pub(crate) header_timeout: Option<Span>,

    /// The most connections at once, per listener; more wait. [default: 4096]
    #[arg(long, value_name = "N", env = "COUNTERSIGN_MAX_CONNECTIONS", help_heading = "Limits")]
    pub(crate) max_connections: Option<u32>,

    /// How many requests one client address (of IPv6 a /64) may send, for example 100/s; more are answered 429. [default: any number]
    #[arg(long, value_name = "RATE", env = "COUNTERSIGN_RATE_LIMIT_PER_ADDRESS")]
    #[arg(help_heading = "Limits")]
    pub(crate) rate_limit_per_address: Option<Rate>,

    /// How many of these may come at once. [default: as many as in the unit of the rate]
    #[arg(long, value_name = "N", env = "COUNTERSIGN_RATE_LIMIT_PER_ADDRESS_BURST")]
    #[arg(help_heading = "Limits")]
    pub(crate) rate_limit_per_address_burst: Option<u32>,

    /// How many requests may be made with one key, or one account's access tokens, for example 50/s; more are answered 429. [default: any number]
    #[arg(long, value_name = "RATE", env = "COUNTERSIGN_RATE_LIMIT_PER_CREDENTIAL")]
    #[arg(help_heading = "Limits")]
    pub(crate) rate_limit_per_credential: Option<Rate>,

    /// How many of these may come at once. [default: as many as in the unit of the rate]
    #[arg(long, value_name = "N", env = "COUNTERSIGN_RATE_LIMIT_PER_CREDENTIAL_BURST")]
    #[arg(help_heading = "Limits")]
    pub(crate) rate_limit_per_credential_burst: Option<u32>,

    /// How long to go on after a signal to stop, but not ready: until load balancers have noticed. [default: 0s]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_DRAIN_DELAY", help_heading = "Limits")]
    pub(crate) drain_delay: Option<Span>,

    /// How long requests under way may take after a signal to stop. [default: 30s]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_DRAIN_TIMEOUT", help_heading = "Limits")]
    pub(crate) drain_timeout: Option<Span>,

    /// Public keys to publish at /.well-known/request-keys.json: what this service signs with.
    #[arg(long, value_name = "FILE", value_delimiter = ',', help_heading = "Keys")]
    #[arg(env = "COUNTERSIGN_REQUEST_KEYS")]
    pub(crate) request_keys: Option<Vec<PathBuf>>,

    /// The public key of a first administrator, made if there is none (in any text format).
    #[arg(long, value_name = "KEY", help_heading = "Keys")]
    #[arg(env = "COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY")]
    pub(crate) bootstrap_admin_public_key: Option<String>,

    /// Allow accounts' JWKS over plain http and from private networks. For tests.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    #[arg(env = "COUNTERSIGN_DANGEROUS_ALLOW_INSECURE_JWKS", help_heading = "Keys")]
    pub(crate) dangerous_allow_insecure_jwks: Option<bool>,

    /// The OpenTelemetry collector that traces are sent to, for example http://127.0.0.1:4318 (OTLP over HTTP). [default: what OTEL_EXPORTER_OTLP_ENDPOINT says; else there are none]
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_OTLP_ENDPOINT", help_heading = "Logs")]
    pub(crate) otlp_endpoint: Option<String>,

    /// How log lines look, on stderr. [default: text]
    #[arg(long, value_enum, env = "COUNTERSIGN_LOG_FORMAT", help_heading = "Logs")]
    pub(crate) log_format: Option<LogFormat>,

    /// How much is logged. [default: info]
    #[arg(long, value_enum, env = "COUNTERSIGN_LOG_LEVEL", help_heading = "Logs")]
    pub(crate) log_level: Option<LogLevel>,
}

impl ServeOptions {
    /// These options, and for what they leave open those.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            compat: self.compat.or(other.compat),
            listen: self.listen.or(other.listen),
            internal_listen: self.internal_listen.or(other.internal_listen),
            envoy_listen: self.envoy_listen.or(other.envoy_listen),
            internal_beyond_loopback: self
                .internal_beyond_loopback
                .or(other.internal_beyond_loopback),
            internal_hosts: self.internal_hosts.or(other.internal_hosts),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            url_prefix: self.url_prefix.or(other.url_prefix),
            openapi: self.openapi.or(other.openapi),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            scheme: self.scheme.or(other.scheme),
            tolerance: self.tolerance.or(other.tolerance),
            audiences: self.audiences.or(other.audiences),
            required_audience: self.required_audience.or(other.required_audience),
            account_header: self.account_header.or(other.account_header),
            account_id_header: self.account_id_header.or(other.account_id_header),
            rules_file: self.rules_file.or(other.rules_file),
            groups_header: self.groups_header.or(other.groups_header),
            method_header: self.method_header.or(other.method_header),
            credential_header: self.credential_header.or(other.credential_header),
            identifier_header: self.identifier_header.or(other.identifier_header),
            issuer: self.issuer.or(other.issuer),
            token_audiences: self.token_audiences.or(other.token_audiences),
            access_token_lifetime: self.access_token_lifetime.or(other.access_token_lifetime),
            refresh_token_lifetime: self.refresh_token_lifetime.or(other.refresh_token_lifetime),
            api_key_lifetime: self.api_key_lifetime.or(other.api_key_lifetime),
            signing_algorithm: self.signing_algorithm.or(other.signing_algorithm),
            signing_key_lifetime: self.signing_key_lifetime.or(other.signing_key_lifetime),
            external_api: self.external_api.or(other.external_api),
            registration: self.registration.or(other.registration),
            dangerous_allow_any_identifier: self
                .dangerous_allow_any_identifier
                .or(other.dangerous_allow_any_identifier),
            database_url: self.database_url.or(other.database_url),
            database_connections: self.database_connections.or(other.database_connections),
            database_connect_timeout: self
                .database_connect_timeout
                .or(other.database_connect_timeout),
            database_statement_timeout: self
                .database_statement_timeout
                .or(other.database_statement_timeout),
            encryption_key_file: self.encryption_key_file.or(other.encryption_key_file),
            replay_guard: self.replay_guard.or(other.replay_guard),
            replay_capacity: self.replay_capacity.or(other.replay_capacity),
            replay_timeout: self.replay_timeout.or(other.replay_timeout),
            change_tolerance: self.change_tolerance.or(other.change_tolerance),
            redis_url: self.redis_url.or(other.redis_url),
            redis_url_file: self.redis_url_file.or(other.redis_url_file),
            redis_namespace: self.redis_namespace.or(other.redis_namespace),
            redis_ca_file: self.redis_ca_file.or(other.redis_ca_file),
            dangerous_redis_durability_unchecked: self
                .dangerous_redis_durability_unchecked
                .or(other.dangerous_redis_durability_unchecked),
            synchronous: self.synchronous.or(other.synchronous),
            max_header_bytes: self.max_header_bytes.or(other.max_header_bytes),
            request_timeout: self.request_timeout.or(other.request_timeout),
            header_timeout: self.header_timeout.or(other.header_timeout),
            max_connections: self.max_connections.or(other.max_connections),
            rate_limit_per_address: self.rate_limit_per_address.or(other.rate_limit_per_address),
            rate_limit_per_address_burst: self
                .rate_limit_per_address_burst
                .or(other.rate_limit_per_address_burst),
            rate_limit_per_credential: self
                .rate_limit_per_credential
                .or(other.rate_limit_per_credential),
            rate_limit_per_credential_burst: self
                .rate_limit_per_credential_burst
                .or(other.rate_limit_per_credential_burst),
            drain_delay: self.drain_delay.or(other.drain_delay),
            drain_timeout: self.drain_timeout.or(other.drain_timeout),
            request_keys: self.request_keys.or(other.request_keys),
            bootstrap_admin_public_key: self
                .bootstrap_admin_public_key
                .or(other.bootstrap_admin_public_key),
            dangerous_allow_insecure_jwks: self
                .dangerous_allow_insecure_jwks
                .or(other.dangerous_allow_insecure_jwks),
            otlp_endpoint: self.otlp_endpoint.or(other.otlp_endpoint),
            log_format: self.log_format.or(other.log_format),
            log_level: self.log_level.or(other.log_level),
        }
    }
}

/// A network, or one address as a network of its own.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into())).map_err(
        |_| {
            format!(
                "`{text}` is neither an address nor a network, expected for example `10.0.0.0/8`"
            )
        },
    )
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(text).ok_or_else(|| {
        let known: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        format!("`{text}` is no algorithm, expected one of {}", known.join(", "))
    })
}

fn algorithm_in_file<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Algorithm>, D::Error> {
    algorithm(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<IpNet>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let networks = texts.iter().map(|text| network(text)).collect::<Result<_, _>>();
    networks.map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_also_a_variable_and_a_key() {
        let command = ServeOptions::augment_args(clap::Command::new("serve"));
        assert!(command.get_arguments().count() > 25);
        for option in command.get_arguments() {
            let id = option.get_id().as_str();
            assert_eq!(option.get_long().unwrap(), id.replace('_', "-"));
            let variable = option.get_env().unwrap().to_str().unwrap();
            assert_eq!(variable, format!("COUNTERSIGN_{}", id.to_uppercase()));
            // No setting is a date: that the key is known shows in the complaint.
            let refused =
                toml::from_str::<ServeOptions>(&format!("{id} = 1970-01-01")).unwrap_err();
            assert!(!refused.message().contains("unknown field"), "{id}: {refused}");
        }
    }

    #[test]
    fn what_comes_first_wins_and_gaps_are_filled() {
        let first: ServeOptions = toml::from_str("scheme = \"A\"").unwrap();
        let second: ServeOptions = toml::from_str("scheme = \"B\"\ntolerance = \"5s\"").unwrap();
        let both = first.or(second);
        assert_eq!(both.scheme.as_deref(), Some("A"));
        assert_eq!(both.tolerance, Some(Span(std::time::Duration::from_secs(5))));
    }
}

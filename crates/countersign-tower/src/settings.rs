//! Policies from a section of a configuration file or from the environment.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_client::{Service, ServiceError};
use countersign_core::{SharedSecret, SharedSecretError, TokenAlgorithm};
use countersign_store::{HttpFetcher, JwksKeys, JwksRules, JwksUrl, JwksUrlError};
use countersign_system::{SystemClock, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use url::Url;
use zeroize::Zeroizing;

use crate::bearer_tokens::BearerTokens;
use crate::policy::{Policy, PolicyBuilder, PolicyError};

/// A [`Policy`] for bearer tokens as a section of a configuration file, for any format
/// that serde reads. Keys that are not known are refused; there is none that leaves a
/// check out.
///
/// ```
/// use countersign_tower::PolicySettings;
///
/// #[derive(serde::Deserialize)]
/// struct Config {
///     auth: PolicySettings,
/// }
///
/// let config: Config = toml::from_str(r#"
///     [auth]
///     realm = "billing"
///     shared_secret_file = "/run/secrets/tokens"
///     algorithms = ["HS256"]
///     issuers = ["https://auth.example"]
///     audiences = ["billing"]
///     leeway = "10s"
///     groups_claim = "groups"
/// "#)?;
/// # Ok::<(), toml::de::Error>(())
/// ```
///
/// Instead of `shared_secret_file`, one of the other things to verify tokens with may be
/// set: `shared_secret`, `public_key_files`, `jwks_url`, `countersign_url`. Lists may
/// also be one text, with commas between the names, as environment variables have them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// The realm of the challenges.
    pub realm: Option<String>,
    /// The scheme word, unless `Bearer`.
    pub scheme: Option<String>,
    /// A secret that the issuer shares.
    pub shared_secret: Option<SecretString>,
    /// A file that contains it; one line end at its end is left out.
    pub shared_secret_file: Option<PathBuf>,
    /// Files with public keys of the issuer.
    #[serde(deserialize_with = "names")]
    pub public_key_files: Vec<String>,
    /// Where the issuer publishes its keys.
    pub jwks_url: Option<String>,
    /// A Countersign server that is asked about each token: the URL that its routes
    /// are below.
    pub countersign_url: Option<Url>,
    /// The algorithms that are taken.
    #[serde(deserialize_with = "names")]
    pub algorithms: Vec<String>,
    /// Who may have issued a token (`iss`).
    #[serde(deserialize_with = "names")]
    pub issuers: Vec<String>,
    /// The names that this service goes by (`aud`).
    #[serde(deserialize_with = "names")]
    pub audiences: Vec<String>,
    /// Claims that must be there.
    #[serde(deserialize_with = "names")]
    pub required_claims: Vec<String>,
    /// How far the clocks may differ, with a unit: `"10s"`.
    #[serde(deserialize_with = "duration")]
    pub leeway: Duration,
    /// The claim that names the account, unless `sub`.
    pub account_claim: Option<String>,
    /// The claim that lists its groups.
    pub groups_claim: Option<String>,
}

/// Settings that make no policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Nothing to verify tokens with.
    #[error("nothing to verify tokens with: set one of {}", KEY_SOURCES.join(", "))]
    NoKeySource,
    /// More than one thing to verify tokens with.
    #[error("{} are set: only one of them can verify tokens", .0.join(" and "))]
    SeveralKeySources(Vec<&'static str>),
    /// The shared secret would not do.
    #[error("the shared secret: {0}")]
    Secret(#[from] SharedSecretError),
    /// The file of the shared secret cannot be read.
    #[error("{}: {cause}", path.display())]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// No algorithm has this name.
    #[error("`{0}` is no algorithm: write for example RS256, ES256, EdDSA or HS256")]
    Algorithm(String),
    /// The URL of the issuer's keys would not do.
    #[error("jwks_url: {0}")]
    JwksUrl(#[from] JwksUrlError),
    /// The Countersign server's URL would not do.
    #[error("countersign_url: {0}")]
    Countersign(#[from] ServiceError),
    /// The policy would not do.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

const KEY_SOURCES: [&str; 5] =
    ["shared_secret", "shared_secret_file", "public_key_files", "jwks_url", "countersign_url"];

impl PolicySettings {
    /// Begins the policy that these settings describe. With a `jwks_url` it must be
    /// called within a Tokio runtime, on which the keys are then fetched.
    ///
    /// # Errors
    /// [`SettingsError`] says which setting would not do.
    pub fn builder(&self) -> Result<PolicyBuilder, SettingsError> {
        let mut tokens = self.verified()?;
        if let Some(scheme) = &self.scheme {
            tokens = tokens.scheme(scheme);
        }
        if !self.algorithms.is_empty() {
            let read = |name: &String| {
                let algorithm = TokenAlgorithm::from_name(name);
                algorithm.ok_or_else(|| SettingsError::Algorithm(name.clone()))
            };
            let algorithms = self.algorithms.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            tokens = tokens.algorithms(algorithms);
        }
        tokens = self.issuers.iter().fold(tokens, BearerTokens::issuer);
        tokens = self.audiences.iter().fold(tokens, BearerTokens::audience);
        tokens = self.required_claims.iter().fold(tokens, BearerTokens::require_claim);
        tokens = tokens.leeway(self.leeway);
        if let Some(claim) = &self.account_claim {
            tokens = tokens.account_claim(claim);
        }
        if let Some(claim) = &self.groups_claim {
            tokens = tokens.groups_claim(claim);
        }
        let policy = Policy::accepting(tokens);
        Ok(match &self.realm {
            Some(realm) => policy.realm(realm),
            None => policy,
        })
    }

    /// The one thing that tokens are verified with.
    fn verified(&self) -> Result<BearerTokens, SettingsError> {
        let are_set = [
            self.shared_secret.is_some(),
            self.shared_secret_file.is_some(),
            !self.public_key_files.is_empty(),
            self.jwks_url.is_some(),
            self.countersign_url.is_some(),
        ];
        let set = KEY_SOURCES.into_iter().zip(are_set).filter(|(_, is_set)| *is_set);
        let set: Vec<_> = set.map(|(name, _)| name).collect();
        if set.len() > 1 {
            return Err(SettingsError::SeveralKeySources(set));
        }
        if let Some(secret) = &self.shared_secret {
            let secret = SharedSecret::new(secret.expose_secret().as_bytes())?;
            return Ok(BearerTokens::shared_secret(secret));
        }
        if let Some(path) = &self.shared_secret_file {
            let unreadable = |cause| SettingsError::SecretFile { path: path.clone(), cause };
            let text = Zeroizing::new(fs::read(path).map_err(unreadable)?);
            let line = text.strip_suffix(b"\n").unwrap_or(&text);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            return Ok(BearerTokens::shared_secret(SharedSecret::new(line)?));
        }
        if !self.public_key_files.is_empty() {
            return Ok(BearerTokens::key_files(&self.public_key_files)?);
        }
        if let Some(url) = &self.jwks_url {
            let rules = JwksRules::default();
            let url = JwksUrl::parse(url, &rules)?;
            let fetcher = Arc::new(HttpFetcher::new(rules));
            let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
            return Ok(BearerTokens::keys(Arc::new(JwksKeys::start(url, fetcher, clock, random))));
        }
        let url = self.countersign_url.clone().ok_or(SettingsError::NoKeySource)?;
        Ok(BearerTokens::validated_by(Arc::new(Service::at(url).build()?)))
    }
}

/// A list of names, or one text with commas between them.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of names, or names with commas between them")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            Ok(names.map(str::to_owned).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(name) = names.next_element()? {
                list.push(name);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_any(Names)
}

/// A duration with its unit.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct WithUnit;

    impl Visitor<'_> for WithUnit {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration with a unit, such as \"10s\"")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            humantime::parse_duration(text).map_err(|error| {
                E::custom(format_args!("`{text}` is no duration such as \"10s\": {error}"))
            })
        }
    }

    deserializer.deserialize_str(WithUnit)
}

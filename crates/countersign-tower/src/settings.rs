//! Policies from a section of a configuration file or from the environment.

mod read;
mod signed_requests;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_client::{Service, ServiceError};
use countersign_core::{SharedSecret, SharedSecretError};
use countersign_store::{
    AccountFileError, HttpFetcher, JwksKeys, JwksRules, JwksUrl, JwksUrlError,
};
use countersign_system::{SystemClock, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

pub use self::signed_requests::SignedRequestSettings;
use crate::bearer_tokens::BearerTokens;
use crate::policy::{Policy, PolicyBuilder, PolicyError};

/// A [`Policy`] as a section of a configuration file, for any format that serde reads.
/// Keys that are not known are refused; there is none that leaves a check out.
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
/// set: `shared_secret`, `public_key_files`, `jwks_url`, `countersign_url`; beside it or
/// alone a section `signed_requests`, for callers that sign each request themselves. Lists
/// may also be one text, with commas between the names, as environment variables have them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// The realm of the challenges.
    pub realm: Option<String>,
    /// Callers that sign each request themselves.
    pub signed_requests: Option<SignedRequestSettings>,
    /// The scheme word of bearer tokens, unless `Bearer`.
    pub scheme: Option<String>,
    /// The spellings of the header that are taken, unless all: `bare`, `parameter`,
    /// `quoted`.
    #[serde(deserialize_with = "read::names")]
    pub spellings: Vec<String>,
    /// A secret that the issuer shares.
    pub shared_secret: Option<SecretString>,
    /// A file that contains it; one line end at its end is left out.
    pub shared_secret_file: Option<PathBuf>,
    /// Files with public keys of the issuer.
    #[serde(deserialize_with = "read::names")]
    pub public_key_files: Vec<String>,
    /// Where the issuer publishes its keys.
    pub jwks_url: Option<String>,
    /// A Countersign server that is asked about each token: the URL that its routes
    /// are below.
    #[serde(deserialize_with = "read::url")]
    pub countersign_url: Option<Url>,
    /// The algorithms that are taken.
    #[serde(deserialize_with = "read::names")]
    pub algorithms: Vec<String>,
    /// Who may have issued a token (`iss`).
    #[serde(deserialize_with = "read::names")]
    pub issuers: Vec<String>,
    /// The names that this service goes by (`aud`).
    #[serde(deserialize_with = "read::names")]
    pub audiences: Vec<String>,
    /// Claims that must be there.
    #[serde(deserialize_with = "read::names")]
    pub required_claims: Vec<String>,
    /// How far the clocks may differ, with a unit: `"10s"`.
    #[serde(deserialize_with = "read::duration")]
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
    #[error("nothing to verify tokens with: set one of {}, or signed_requests", KEY_SOURCES.join(", "))]
    NoKeySource,
    /// A setting of bearer tokens without anything to verify them with.
    #[error("{0} is for bearer tokens, and nothing is set to verify them with: set one of {sources}", sources = KEY_SOURCES.join(", "))]
    OnlyForBearerTokens(&'static str),
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
    /// No spelling has this name.
    #[error("`{0}` is no spelling of the header: write bare, parameter or quoted")]
    Spelling(String),
    /// The account file cannot be used.
    #[error("accounts_file: {0}")]
    Accounts(#[from] AccountFileError),
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
    /// Begins the policy that these settings describe. With a `jwks_url` or with
    /// `signed_requests` it must be called within a Tokio runtime, on which the keys are
    /// then fetched and the account file is read again.
    ///
    /// # Errors
    /// [`SettingsError`] says which setting would not do.
    pub fn builder(&self) -> Result<PolicyBuilder, SettingsError> {
        let bearer = self.bearer_tokens()?;
        let signed = self.signed_requests.as_ref().map(SignedRequestSettings::requests);
        let policy = match (bearer, signed.transpose()?) {
            (Some(tokens), Some(requests)) => Policy::accepting(tokens).or(requests),
            (Some(tokens), None) => Policy::accepting(tokens),
            (None, Some(requests)) => Policy::accepting(requests),
            (None, None) => return Err(SettingsError::NoKeySource),
        };
        Ok(match &self.realm {
            Some(realm) => policy.realm(realm),
            None => policy,
        })
    }

    fn bearer_tokens(&self) -> Result<Option<BearerTokens>, SettingsError> {
        let Some(mut tokens) = self.verified()? else {
            return match self.set_for_bearer_tokens() {
                Some(name) => Err(SettingsError::OnlyForBearerTokens(name)),
                None => Ok(None),
            };
        };
        if let Some(scheme) = &self.scheme {
            tokens = tokens.scheme(scheme);
        }
        if !self.spellings.is_empty() {
            tokens = tokens.spellings(read::spellings(&self.spellings)?);
        }
        if !self.algorithms.is_empty() {
            tokens = tokens.algorithms(read::algorithms(&self.algorithms)?);
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
        Ok(Some(tokens))
    }

    /// A setting that means nothing without something to verify bearer tokens with.
    fn set_for_bearer_tokens(&self) -> Option<&'static str> {
        let are_set = [
            ("scheme", self.scheme.is_some()),
            ("spellings", !self.spellings.is_empty()),
            ("algorithms", !self.algorithms.is_empty()),
            ("issuers", !self.issuers.is_empty()),
            ("audiences", !self.audiences.is_empty()),
            ("required_claims", !self.required_claims.is_empty()),
            ("leeway", !self.leeway.is_zero()),
            ("account_claim", self.account_claim.is_some()),
            ("groups_claim", self.groups_claim.is_some()),
        ];
        are_set.into_iter().find(|(_, is_set)| *is_set).map(|(name, _)| name)
    }

    /// The one thing that tokens are verified with.
    fn verified(&self) -> Result<Option<BearerTokens>, SettingsError> {
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
            return Ok(Some(BearerTokens::shared_secret(secret)));
        }
        if let Some(path) = &self.shared_secret_file {
            let unreadable = |cause| SettingsError::SecretFile { path: path.clone(), cause };
            let text = Zeroizing::new(fs::read(path).map_err(unreadable)?);
            let line = text.strip_suffix(b"\n").unwrap_or(&text);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            return Ok(Some(BearerTokens::shared_secret(SharedSecret::new(line)?)));
        }
        if !self.public_key_files.is_empty() {
            return Ok(Some(BearerTokens::key_files(&self.public_key_files)?));
        }
        if let Some(url) = &self.jwks_url {
            let rules = JwksRules::default();
            let url = JwksUrl::parse(url, &rules)?;
            let fetcher = Arc::new(HttpFetcher::new(rules));
            let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
            let keys = JwksKeys::start(url, fetcher, clock, random);
            return Ok(Some(BearerTokens::keys(Arc::new(keys))));
        }
        let Some(url) = self.countersign_url.clone() else { return Ok(None) };
        Ok(Some(BearerTokens::validated_by(Arc::new(Service::at(url).build()?))))
    }
}

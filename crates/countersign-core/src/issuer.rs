//! Making bearer tokens: for a service that mints its own.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::algorithm::{Algorithm, HmacAlgorithm};
use crate::bearer::DEFAULT_ACCOUNT_CLAIM;
use crate::jws::{self, MAX_TOKEN_BYTES};
use crate::key::{PrivateKey, SignError};
use crate::names::{AccountName, NameError};
use crate::shared_secret::SharedSecret;
use crate::time::UnixTime;

/// How long a token of an [`Issuer`] is good, unless configured.
pub const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_mins(15);

/// Why a token was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// The account cannot have this name.
    #[error("the account: {0}")]
    Account(#[from] NameError),
    /// The key does not sign with this algorithm.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The secret is shorter than the algorithm wants it.
    #[error("the shared secret is shorter than the hash of {0}: use a longer one")]
    SecretTooShort(HmacAlgorithm),
    /// The claims are not an object, or cannot be written as JSON.
    #[error("claims must be a structure or a map that can be written as JSON: {0}")]
    NotAnObject(String),
    /// A claim that the issuer itself writes.
    #[error("the claim `{0}` is written by the issuer: configure it there")]
    Reserved(String),
    /// Longer than tokens are read.
    #[error("the token would have {0} bytes, more than {MAX_TOKEN_BYTES}")]
    TooLong(usize),
}

/// Mints bearer tokens: claims in, a JWT out.
///
/// Who, since when and until when is written from typed values (`sub`, `iat`, `nbf`,
/// `exp`; RFC 7519 section 4.1); the other claims are the caller's.
///
/// ```
/// use std::time::Duration;
///
/// use countersign_core::{HmacAlgorithm, Issuer, SharedSecret, UnixTime};
///
/// #[derive(serde::Serialize)]
/// struct Claims {
///     groups: Vec<&'static str>,
/// }
///
/// let secret = SharedSecret::new(b"correct horse battery staple and more")?;
/// let issuer = Issuer::with_secret(secret, HmacAlgorithm::Hs256)
///     .with_name("https://auth.example")
///     .with_audience(["billing"])
///     .with_lifetime(Duration::from_mins(5));
/// let now = UnixTime::from_secs(1_800_000_000);
/// let token = issuer.issue("worker-7", &Claims { groups: vec!["ops"] }, now)?;
/// assert!(token.starts_with("ey"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Issuer {
    signing: Signing,
    name: Option<String>,
    audience: Vec<String>,
    lifetime: Duration,
    not_before: Option<Duration>,
    account_claim: String,
}

#[derive(Clone, Debug)]
enum Signing {
    Secret(SharedSecret, HmacAlgorithm),
    Key(PrivateKey, Algorithm, String),
}

impl Issuer {
    /// Signs with a secret that those who verify share.
    pub fn with_secret(secret: SharedSecret, algorithm: HmacAlgorithm) -> Self {
        Self::signing(Signing::Secret(secret, algorithm))
    }

    /// Signs with a private key. The tokens' `kid` is the key's RFC 7638 thumbprint,
    /// unless [another](Self::with_kid) is given.
    pub fn with_key(key: PrivateKey, algorithm: Algorithm) -> Self {
        let kid = key.public_key().fingerprints().jwk_thumbprint();
        Self::signing(Signing::Key(key, algorithm, kid))
    }

    fn signing(signing: Signing) -> Self {
        Self {
            signing,
            name: None,
            audience: Vec::new(),
            lifetime: DEFAULT_TOKEN_LIFETIME,
            not_before: None,
            account_claim: DEFAULT_ACCOUNT_CLAIM.to_owned(),
        }
    }

    /// The same with another `kid`, as the key is published under. A shared secret has
    /// none.
    #[must_use]
    pub fn with_kid(mut self, name: impl Into<String>) -> Self {
        if let Signing::Key(_, _, kid) = &mut self.signing {
            *kid = name.into();
        }
        self
    }

    /// The same, which says who issues (`iss`).
    #[must_use]
    pub fn with_name(self, issuer: impl Into<String>) -> Self {
        Self { name: Some(issuer.into()), ..self }
    }

    /// The same, which says for whom the tokens are (`aud`).
    #[must_use]
    pub fn with_audience<A: Into<String>>(self, audience: impl IntoIterator<Item = A>) -> Self {
        Self { audience: audience.into_iter().map(Into::into).collect(), ..self }
    }

    /// The same with tokens that are good for that long.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// The same with tokens that are good from so long after they were made (`nbf`).
    #[must_use]
    pub fn with_not_before(self, delay: Duration) -> Self {
        Self { not_before: Some(delay), ..self }
    }

    /// The same, which names the account in another claim than `sub`.
    #[must_use]
    pub fn with_account_claim(self, claim: impl Into<String>) -> Self {
        Self { account_claim: claim.into(), ..self }
    }

    /// Makes a token for an account with these further claims: a structure or a map;
    /// `()` for none.
    ///
    /// # Errors
    /// [`MintError`] if the claims cannot be written or the key does not sign.
    pub fn issue(
        &self,
        account: &str,
        claims: &impl Serialize,
        now: UnixTime,
    ) -> Result<String, MintError> {
        let account = AccountName::new(account)?;
        let claims = self.claims(&account, claims, now)?;
        let token = match &self.signing {
            Signing::Secret(secret, algorithm) if !secret.fits(*algorithm) => {
                return Err(MintError::SecretTooShort(*algorithm));
            }
            Signing::Secret(secret, algorithm) => {
                let sign = |input: &[u8]| Ok::<_, SignError>(secret.sign(*algorithm, input));
                jws::write_with(algorithm.name(), None, &claims, sign)?
            }
            Signing::Key(key, algorithm, kid) => jws::write(key, *algorithm, Some(kid), &claims)?,
        };
        if token.len() > MAX_TOKEN_BYTES {
            return Err(MintError::TooLong(token.len()));
        }
        Ok(token)
    }

    fn claims(
        &self,
        account: &AccountName,
        further: &impl Serialize,
        now: UnixTime,
    ) -> Result<Map<String, Value>, MintError> {
        let mut claims = match serde_json::to_value(further) {
            Ok(Value::Object(claims)) => claims,
            Ok(Value::Null) => Map::new(),
            Ok(_) => return Err(MintError::NotAnObject("it is something else".into())),
            Err(error) => return Err(MintError::NotAnObject(error.to_string())),
        };
        let ours = [
            (self.account_claim.as_str(), Some(json!(account))),
            ("iat", Some(json!(now.as_secs()))),
            ("nbf", self.not_before.map(|delay| json!((now + delay).as_secs()))),
            ("exp", Some(json!((now + self.lifetime).as_secs()))),
            ("iss", self.name.as_ref().map(|name| json!(name))),
            ("aud", (!self.audience.is_empty()).then(|| json!(self.audience))),
        ];
        for (name, value) in ours {
            if claims.contains_key(name) {
                return Err(MintError::Reserved(name.to_owned()));
            }
            if let Some(value) = value {
                claims.insert(name.to_owned(), value);
            }
        }
        Ok(claims)
    }
}

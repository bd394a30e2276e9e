//! Making signed requests: what a caller does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::algorithm::Algorithm;
use crate::claims::RequestBinding;
use crate::jws;
use crate::key::{PrivateKey, SignError};
use crate::names::AccountName;
use crate::ports::{Clock, Random};
use crate::signed_request_policy::DEFAULT_SCHEME;

/// Signs one-time tokens for an account.
///
/// ```
/// use countersign_core::{AccountName, KeyKind, PrivateKey, RequestSigner};
/// # use countersign_core::{Clock, Random, UnixTime};
/// # struct Fixed;
/// # impl Clock for Fixed { fn now(&self) -> UnixTime { UnixTime::from_secs(1_800_000_000) } }
/// # impl Random for Fixed { fn fill(&self, bytes: &mut [u8]) { bytes.fill(7) } }
/// # let (clock, random) = (Fixed, Fixed);
///
/// let key = PrivateKey::generate(KeyKind::Ed25519)?;
/// let signer = RequestSigner::new(AccountName::new("billing-worker-7")?, key);
/// let header = signer.authorization(&clock, &random)?;
/// assert!(header.starts_with("JWT ey"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestSigner {
    account: AccountName,
    key: PrivateKey,
    algorithm: Algorithm,
    kid: String,
    scheme: String,
    audience: Option<String>,
}

/// The instance and the request that an administrative token is bound to.
#[derive(Clone, Debug)]
pub struct BoundTo<'a> {
    /// The id of the instance (`aud`).
    pub audience: &'a str,
    /// Method, URI and body.
    pub request: &'a RequestBinding,
}

impl RequestSigner {
    /// A signer with the key's default algorithm, the `kid` that
    /// `asymmetric_jwt_auth` uses, and the scheme `JWT`.
    pub fn new(account: AccountName, key: PrivateKey) -> Self {
        Self {
            account,
            algorithm: key.default_algorithm(),
            kid: key.public_key().fingerprints().spki_pem_sha256(),
            key,
            scheme: DEFAULT_SCHEME.to_owned(),
            audience: None,
        }
    }

    /// The same with another algorithm of the key's type.
    #[must_use]
    pub fn with_algorithm(self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// The same with another scheme word.
    #[must_use]
    pub fn with_scheme(self, scheme: impl Into<String>) -> Self {
        Self { scheme: scheme.into(), ..self }
    }

    /// The same for the one service that goes by this name (`aud`), for example a region:
    /// elsewhere its tokens are refused. A token that is bound to a request names its
    /// instance instead.
    #[must_use]
    pub fn with_audience(self, audience: impl Into<String>) -> Self {
        Self { audience: Some(audience.into()), ..self }
    }

    /// The account it signs for.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// A fresh token, good for one request.
    ///
    /// # Errors
    /// [`SignError`] if the algorithm does not fit the key.
    pub fn token(&self, clock: &dyn Clock, random: &dyn Random) -> Result<String, SignError> {
        self.sign(&self.claims(clock, random))
    }

    /// A fresh token, good for one request to one instance.
    ///
    /// # Errors
    /// [`SignError`] if the algorithm does not fit the key.
    pub fn bound_token(
        &self,
        clock: &dyn Clock,
        random: &dyn Random,
        to: &BoundTo<'_>,
    ) -> Result<String, SignError> {
        let mut claims = self.claims(clock, random);
        claims["aud"] = to.audience.into();
        claims["htm"] = to.request.method.as_str().into();
        claims["htu"] = to.request.uri.as_str().into();
        claims["body_sha256"] = to.request.body_sha256.as_str().into();
        self.sign(&claims)
    }

    /// The value of a fresh `Authorization` header.
    ///
    /// # Errors
    /// [`SignError`] if the algorithm does not fit the key.
    pub fn authorization(
        &self,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<String, SignError> {
        Ok(format!("{} {}", self.scheme, self.token(clock, random)?))
    }

    /// The value of a fresh `Authorization` header for one request to one instance.
    ///
    /// # Errors
    /// [`SignError`] if the algorithm does not fit the key.
    pub fn bound_authorization(
        &self,
        clock: &dyn Clock,
        random: &dyn Random,
        to: &BoundTo<'_>,
    ) -> Result<String, SignError> {
        Ok(format!("{} {}", self.scheme, self.bound_token(clock, random, to)?))
    }

    fn claims(&self, clock: &dyn Clock, random: &dyn Random) -> serde_json::Value {
        let mut nonce = [0; 16];
        random.fill(&mut nonce);
        let mut claims = serde_json::json!({
            "username": self.account.as_str(),
            "time": clock.now().as_secs(),
            "nonce": URL_SAFE_NO_PAD.encode(nonce),
        });
        if let Some(audience) = &self.audience {
            claims["aud"] = audience.as_str().into();
        }
        claims
    }

    fn sign(&self, claims: &serde_json::Value) -> Result<String, SignError> {
        jws::write(&self.key, self.algorithm, Some(&self.kid), claims)
    }
}

impl RequestBinding {
    /// The binding of a request with this method, target URI and body.
    pub fn of(method: &str, uri: &str, body: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
        Self {
            method: method.to_owned(),
            uri: uri.to_owned(),
            body_sha256: URL_SAFE_NO_PAD.encode(digest.as_ref()),
        }
    }
}

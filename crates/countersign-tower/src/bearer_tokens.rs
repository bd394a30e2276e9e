//! Taking the tokens of an issuer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::header::Spelling;
use countersign_core::ports::{TokenValidator, TrustedKeySource};
use countersign_core::{
    Algorithm, BearerPolicy, Check, HmacAlgorithm, PublicKey, SharedSecret, TokenAlgorithm,
    TrustedKeys,
};

use crate::policy::PolicyError;

/// The scheme of bearer tokens (RFC 6750 section 2.1).
const BEARER: &str = "Bearer";

/// Takes JWTs of an issuer: `Authorization: Bearer <token>`, or under another scheme
/// word, as `pyramid_jwtauth` does: `Authorization: JWT token="<token>"`.
///
/// There is no such thing without something to verify tokens with.
#[derive(Clone)]
pub struct BearerTokens {
    pub(crate) scheme: String,
    pub(crate) spellings: Vec<Spelling>,
    pub(crate) policy: BearerPolicy,
    source: Source,
    algorithms: Option<Vec<TokenAlgorithm>>,
}

#[derive(Clone)]
enum Source {
    Secrets(Vec<SharedSecret>),
    FixedKeys(Arc<TrustedKeys>),
    Keys(Arc<dyn TrustedKeySource>),
    Remote(Arc<dyn TokenValidator>),
}

/// Who verifies tokens.
pub(crate) enum Verifier {
    /// This service, at once.
    Local(LocalVerifier),
    /// Somebody else.
    Remote(Arc<dyn TokenValidator>),
}

/// What this service verifies tokens with, and the algorithms that are allowed.
pub(crate) enum LocalVerifier {
    Secrets(Vec<SharedSecret>, Vec<HmacAlgorithm>),
    Keys(Arc<dyn TrustedKeySource>, Vec<Algorithm>),
}

impl BearerTokens {
    /// Verified with a secret that the issuer shares: HS256, unless
    /// [others](Self::algorithms) are named.
    pub fn shared_secret(secret: SharedSecret) -> Self {
        Self::shared_secrets([secret])
    }

    /// Verified with any of these secrets, so that one can be replaced by another.
    pub fn shared_secrets(secrets: impl IntoIterator<Item = SharedSecret>) -> Self {
        Self::of(Source::Secrets(secrets.into_iter().collect()))
    }

    /// Verified with any of these public keys: every algorithm of their types, unless
    /// [some](Self::algorithms) are named.
    pub fn public_keys(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self::of(Source::FixedKeys(Arc::new(keys.into_iter().collect())))
    }

    /// The same with keys from files: PEM, OpenSSH, JWK or a certificate.
    ///
    /// # Errors
    /// [`PolicyError::KeyFile`] names the file that cannot be read.
    pub fn key_files<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Self, PolicyError> {
        let keys = paths.into_iter().map(|path| read_key(path.as_ref()));
        Ok(Self::public_keys(keys.collect::<Result<Vec<_>, _>>()?))
    }

    /// Verified with keys that may change while the service runs, for example those
    /// that an issuer publishes at a JWKS URL. While they do not hold, callers are told
    /// to try again.
    pub fn keys(source: Arc<dyn TrustedKeySource>) -> Self {
        Self::of(Source::Keys(source))
    }

    /// Verified by somebody who can tell, for example a Countersign server: for each
    /// request anew, so that a revocation holds at once.
    pub fn validated_by(validator: Arc<dyn TokenValidator>) -> Self {
        Self::of(Source::Remote(validator))
    }

    fn of(source: Source) -> Self {
        Self {
            scheme: BEARER.to_owned(),
            spellings: Spelling::ALL.to_vec(),
            policy: BearerPolicy::default(),
            source,
            algorithms: None,
        }
    }

    /// The same under another scheme word than `Bearer`.
    #[must_use]
    pub fn scheme(self, scheme: impl Into<String>) -> Self {
        Self { scheme: scheme.into(), ..self }
    }

    /// The same for headers of these spellings alone. A token that is spelled otherwise is
    /// as if it were not there.
    #[must_use]
    pub fn spellings(self, spellings: impl IntoIterator<Item = Spelling>) -> Self {
        Self { spellings: spellings.into_iter().collect(), ..self }
    }

    /// The same with these algorithms alone.
    #[must_use]
    pub fn algorithms<A: Into<TokenAlgorithm>>(
        self,
        algorithms: impl IntoIterator<Item = A>,
    ) -> Self {
        Self { algorithms: Some(algorithms.into_iter().map(Into::into).collect()), ..self }
    }

    /// The same for tokens of this issuer (`iss`), or of another that is named so.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.policy.issuers.push(issuer.into());
        self
    }

    /// The same for tokens that are for this service (`aud`), or for another name of
    /// it. Unless a name is given, only tokens that are for nobody in particular are
    /// taken.
    #[must_use]
    pub fn audience(mut self, name: impl Into<String>) -> Self {
        self.policy.audiences.push(name.into());
        self
    }

    /// The same for tokens that have this claim.
    #[must_use]
    pub fn require_claim(mut self, name: impl Into<String>) -> Self {
        self.policy.required_claims.push(name.into());
        self
    }

    /// The same with clocks that may differ that much, at most by
    /// [`MAX_LEEWAY`](crate::MAX_LEEWAY).
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.policy.leeway = leeway;
        self
    }

    /// The same with accounts that are named by another claim than `sub`.
    #[must_use]
    pub fn account_claim(mut self, name: impl Into<String>) -> Self {
        self.policy.account_claim = name.into();
        self
    }

    /// The same with groups that this claim lists.
    #[must_use]
    pub fn groups_claim(mut self, name: impl Into<String>) -> Self {
        self.policy.groups_claim = Some(name.into());
        self
    }

    /// What makes good tokens of bad ones.
    pub fn dangerous(self) -> Dangerous {
        Dangerous(self)
    }

    /// What tokens are verified with, if that can be.
    pub(crate) fn verifier(&self) -> Result<Verifier, PolicyError> {
        match &self.source {
            Source::Remote(_) if self.algorithms.is_some() => Err(PolicyError::RemoteAlgorithms),
            Source::Remote(validator) => Ok(Verifier::Remote(Arc::clone(validator))),
            Source::FixedKeys(keys) if keys.is_empty() => Err(PolicyError::NoKey),
            Source::FixedKeys(keys) => self.with_keys(Arc::new(Arc::clone(keys))),
            Source::Keys(keys) => self.with_keys(Arc::clone(keys)),
            Source::Secrets(secrets) => {
                if secrets.is_empty() {
                    return Err(PolicyError::NoSecret);
                }
                let usual = [HmacAlgorithm::Hs256];
                let algorithms = self.chosen(&usual, |algorithm| match algorithm {
                    TokenAlgorithm::Hmac(algorithm) => Some(algorithm),
                    TokenAlgorithm::Signature(_) => None,
                })?;
                let too_short = algorithms
                    .iter()
                    .find(|algorithm| !secrets.iter().all(|secret| secret.fits(**algorithm)));
                match too_short {
                    Some(algorithm) => Err(PolicyError::SecretTooShort(*algorithm)),
                    None => {
                        Ok(Verifier::Local(LocalVerifier::Secrets(secrets.clone(), algorithms)))
                    }
                }
            }
        }
    }

    fn with_keys(&self, keys: Arc<dyn TrustedKeySource>) -> Result<Verifier, PolicyError> {
        let algorithms = self.chosen(&Algorithm::ALL, |algorithm| match algorithm {
            TokenAlgorithm::Signature(algorithm) => Some(algorithm),
            TokenAlgorithm::Hmac(_) => None,
        })?;
        Ok(Verifier::Local(LocalVerifier::Keys(keys, algorithms)))
    }

    fn chosen<A: Copy>(
        &self,
        usual: &[A],
        of_kind: impl Fn(TokenAlgorithm) -> Option<A>,
    ) -> Result<Vec<A>, PolicyError> {
        let Some(named) = &self.algorithms else { return Ok(usual.to_vec()) };
        if named.is_empty() {
            return Err(PolicyError::NoAlgorithm);
        }
        let unfit = |algorithm| PolicyError::AlgorithmUnfit(algorithm);
        named.iter().map(|named| of_kind(*named).ok_or_else(|| unfit(*named))).collect()
    }

    /// Says in the log what is not checked.
    pub(crate) fn warn_of_dangers(&self) {
        for check in &self.policy.dangerous_skip {
            tracing::warn!(?check, scheme = self.scheme, "bearer tokens are not fully checked");
        }
        if let Source::Secrets(secrets) = &self.source
            && secrets.iter().any(SharedSecret::may_be_short)
        {
            tracing::warn!(
                scheme = self.scheme,
                "a shared secret may be so short that it is guessed"
            );
        }
    }
}

fn read_key(path: &Path) -> Result<PublicKey, PolicyError> {
    let unreadable = |cause: String| PolicyError::KeyFile { path: PathBuf::from(path), cause };
    let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let file = PublicKey::read(&text).map_err(|error| unreadable(error.to_string()))?;
    Ok(file.key)
}

/// Leaves checks out, each of which makes some token good that is not. What is left out
/// is in the log when the policy is built.
///
/// ```
/// use countersign_core::{Check, SharedSecret};
/// use countersign_tower::BearerTokens;
///
/// # let secret = SharedSecret::new(b"correct horse battery staple and more")?;
/// let tokens = BearerTokens::shared_secret(secret).dangerous().skip(Check::ExpiryPresent);
/// # Ok::<(), countersign_core::SharedSecretError>(())
/// ```
pub struct Dangerous(BearerTokens);

impl Dangerous {
    /// Leaves one check out.
    #[must_use]
    pub fn skip(self, check: Check) -> BearerTokens {
        let Self(mut tokens) = self;
        tokens.policy.dangerous_skip.push(check);
        tokens
    }
}

//! Signs requests for one account.

use std::fmt;
use std::sync::Arc;

use countersign_core::{
    AccountName, Algorithm, Clock, NameError, Passphrase, PrivateKey, Random, RequestSigner,
    SignError,
};
use countersign_system::{SystemClock, SystemRandom};
use http::HeaderValue;

use crate::instance::InstanceSigner;
use crate::key_source::{KeySource, LoadKeyError};

/// Makes `Authorization` headers for an account, each good for one request.
///
/// Clones share the key.
#[derive(Clone)]
pub struct Signer {
    pub(crate) request: RequestSigner,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

/// A signer could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadSignerError {
    /// The account cannot have this name.
    #[error("{name:?} is no account name: {source}")]
    Account {
        /// The name.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// The private key could not be read.
    #[error(transparent)]
    Key(#[from] LoadKeyError),
}

/// A request could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The algorithm does not fit the key.
    #[error(transparent)]
    Key(#[from] SignError),
    /// The scheme word has characters that a header cannot have.
    #[error("the scheme word cannot stand in a header")]
    Scheme,
    /// A request whose body is a stream cannot be bound to its body.
    #[error("a request whose body is a stream cannot be signed with its body: buffer it first")]
    StreamedBody,
}

impl Signer {
    /// Signs with a key at hand, with its usual algorithm (RS512, `EdDSA`, or
    /// the one of its curve).
    pub fn new(account: AccountName, key: PrivateKey) -> Self {
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        Self { request: RequestSigner::new(account, key), clock, random }
    }

    /// Signs with a key that is read from where it is kept.
    ///
    /// # Errors
    /// [`LoadSignerError`] for a bad name or key; it names the key's file.
    pub fn load(
        account: &str,
        key: &KeySource,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, LoadSignerError> {
        let account = AccountName::new(account)
            .map_err(|source| LoadSignerError::Account { name: account.to_owned(), source })?;
        Ok(Self::new(account, key.load(passphrase)?))
    }

    /// The same with another algorithm of the key's type.
    #[must_use]
    pub fn with_algorithm(self, algorithm: Algorithm) -> Self {
        Self { request: self.request.with_algorithm(algorithm), ..self }
    }

    /// The same with another scheme word than `JWT`, for a service that is
    /// configured so.
    #[must_use]
    pub fn with_scheme(self, scheme: impl Into<String>) -> Self {
        Self { request: self.request.with_scheme(scheme), ..self }
    }

    /// The same for the one service that goes by this name (`aud`), for example a region
    /// whose server has it as `required_audience`: elsewhere its headers are refused.
    #[must_use]
    pub fn with_audience(self, audience: impl Into<String>) -> Self {
        Self { request: self.request.with_audience(audience), ..self }
    }

    /// The same at another clock, for tests and for hosts whose clock is wrong.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The account it signs for.
    pub fn account(&self) -> &AccountName {
        self.request.account()
    }

    /// Signs administrative calls to one instance of Countersign.
    pub fn for_instance(self, instance_id: impl Into<String>) -> InstanceSigner {
        InstanceSigner::new(self, instance_id.into())
    }

    /// The value of a fresh `Authorization` header, marked as sensitive.
    ///
    /// # Errors
    /// [`SigningError`] if the algorithm does not fit the key or the scheme word
    /// cannot stand in a header.
    pub fn authorization_header(&self) -> Result<HeaderValue, SigningError> {
        sensitive(&self.request.authorization(&*self.clock, &*self.random)?)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("request", &self.request).finish_non_exhaustive()
    }
}

/// A header value that `Debug` does not show and HTTP/2 does not index.
pub(crate) fn sensitive(value: &str) -> Result<HeaderValue, SigningError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| SigningError::Scheme)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use countersign_core::KeyKind;

    use super::*;

    fn signer() -> Signer {
        let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
        Signer::new(AccountName::new("alice").unwrap(), key)
    }

    #[test]
    fn every_header_is_another() {
        let signer = signer();
        let headers = [signer.authorization_header(), signer.authorization_header()];
        let [first, second] = headers.map(Result::unwrap);
        assert_ne!(first, second);
        assert!(first.is_sensitive());
        assert!(!format!("{first:?}").contains("ey"));
    }

    #[test]
    fn the_scheme_word_can_be_another() {
        let header = signer().with_scheme("Machine").authorization_header().unwrap();
        assert!(header.to_str().unwrap().starts_with("Machine ey"));
        let broken = signer().with_scheme("a\nb").authorization_header();
        assert_eq!(broken, Err(SigningError::Scheme));
    }

    #[test]
    fn an_audience_stands_in_the_token_and_gives_way_to_an_instance() {
        use countersign_core::UnverifiedToken;

        let audience = |header: &HeaderValue| {
            let token = header.to_str().unwrap().strip_prefix("JWT ").unwrap();
            let token = UnverifiedToken::parse(token).unwrap();
            token.unverified_claims().audience().map(<[String]>::to_vec)
        };
        assert_eq!(audience(&signer().authorization_header().unwrap()), None);
        let regional = signer().with_audience("eu");
        let header = regional.authorization_header().unwrap();
        assert_eq!(audience(&header), Some(vec!["eu".to_owned()]));
        let (method, url) = (http::Method::GET, "http://127.0.0.1/".parse().unwrap());
        let header = regional.for_instance("instance-1").authorization_header(&method, &url, b"");
        assert_eq!(audience(&header.unwrap()), Some(vec!["instance-1".to_owned()]));
    }

    #[test]
    fn a_bad_account_name_is_shown() {
        let error = Signer::load(" alice", &KeySource::DefaultFile, None).unwrap_err();
        assert!(error.to_string().contains("\" alice\""), "{error}");
    }
}

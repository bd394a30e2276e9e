//! Who a claimed account is, and which keys it may sign with.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::administration::StoreError;
use crate::algorithm::Algorithm;
use crate::key::PublicKey;
use crate::names::{AccountId, AccountName, ApiKeyId, GroupName};
use crate::secret::SecretHash;
use crate::time::UnixTime;

/// A key that an account may sign with, as the verifier needs it.
#[derive(Clone)]
pub struct RegisteredKey {
    /// The key, parsed once.
    pub key: PublicKey,
    /// The `kid` it is called by in its account's JWKS, if it came from one.
    /// Keys without one are called by any of their fingerprints.
    pub kid: Option<Box<str>>,
    /// The one algorithm it may be used with, where its JWK has an `alg`
    /// (RFC 7517 section 4.4); `None` means each algorithm of its type.
    pub algorithm: Option<Algorithm>,
    /// The instant from which on its signatures are refused.
    pub expires_at: Option<UnixTime>,
    /// Whether an operator withdrew it.
    pub revoked: bool,
}

impl RegisteredKey {
    /// Whether a token's `kid` means this key.
    pub fn answers_to(&self, kid: &str) -> bool {
        self.kid.as_deref() == Some(kid) || self.key.fingerprints().matches(kid)
    }

    /// Whether it may be used with an algorithm.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        algorithm.key_type() == self.key.key_type()
            && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Whether its signatures are refused at `now` because it has expired.
    pub fn has_expired(&self, now: UnixTime) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }
}

impl fmt::Debug for RegisteredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredKey")
            .field("key", &self.key.fingerprints().openssh())
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

/// An API key of an account, as the verifier needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredApiKey {
    /// What operators call it by.
    pub id: ApiKeyId,
    /// The hash that the key must have.
    pub hash: SecretHash,
    /// The instant from which on it buys nothing.
    pub expires_at: Option<UnixTime>,
    /// When an operator withdrew it.
    pub revoked_at: Option<UnixTime>,
}

impl RegisteredApiKey {
    /// Whether it is refused at `now` because it has expired.
    pub fn has_expired(&self, now: UnixTime) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }
}

/// An account with the keys it proves itself by.
#[derive(Clone, Debug)]
pub struct AccountKeys {
    /// The account's id.
    pub id: AccountId,
    /// The account's name, exactly as a token must claim it.
    pub name: AccountName,
    /// The groups it is in, sorted.
    pub groups: Arc<[GroupName]>,
    /// Whether it was disabled. Looked at only after a signature was checked.
    pub disabled: bool,
    /// Its keys, revoked and expired ones included: those are refused after the
    /// signature was checked, with a reason that says so.
    pub keys: Vec<RegisteredKey>,
    /// Its API keys, likewise.
    pub api_keys: Vec<RegisteredApiKey>,
    /// Access tokens issued up to here are refused.
    pub tokens_revoked_at: Option<UnixTime>,
}

impl AccountKeys {
    /// Whether the account may prove itself by this key at `now`: it is enabled, has the
    /// key, and the key is neither revoked, in any of the places it is known from, nor
    /// expired.
    pub fn may_use(&self, key: &PublicKey, now: UnixTime) -> bool {
        let mut places = self.keys.iter().filter(|known| known.key == *key).peekable();
        !self.disabled
            && places.peek().is_some()
            && places.clone().all(|known| !known.revoked)
            && places.any(|known| !known.has_expired(now))
    }
}

/// The directory could not answer; the request must be refused as unavailable.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the account directory cannot be reached: {0}")]
pub struct DirectoryError(pub String);

impl From<StoreError> for DirectoryError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// What an account proved itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A public key, by a signature.
    PublicKey(PublicKey),
    /// An API key, by showing it.
    ApiKey(ApiKeyId),
    /// An access token, which has this id.
    AccessToken(Uuid),
}

/// A use of a credential that led to an identity.
#[derive(Clone, Debug)]
pub struct LastUse {
    /// The id of the account whose credential it was.
    pub id: AccountId,
    /// That account's name.
    pub account: AccountName,
    /// The credential.
    pub credential: Credential,
    /// When.
    pub at: UnixTime,
    /// The address the request came from, if known.
    pub from: Option<IpAddr>,
}

/// Finds accounts by the name that a token claims.
///
/// An implementation does the same work whether or not the account exists.
#[async_trait]
pub trait Directory: Send + Sync {
    /// The account of that name, disabled ones included, or `None`.
    ///
    /// # Errors
    /// [`DirectoryError`] if the directory cannot be reached.
    async fn find(&self, name: &AccountName) -> Result<Option<Arc<AccountKeys>>, DirectoryError>;

    /// Takes note that a credential was used. Must not wait for storage.
    fn used(&self, _use: LastUse) {}

    /// Takes note that a token of this account named a key the account does not
    /// have, so that a remote JWKS may be fetched again. Must not wait.
    fn unknown_key(&self, _account: &AccountKeys) {}
}

/// Finds accounts also by what the key-to-token service is shown.
#[async_trait]
pub trait TokenDirectory: Directory {
    /// The account with that id, disabled ones included, or `None`.
    ///
    /// # Errors
    /// [`DirectoryError`] if the directory cannot be reached.
    async fn find_by_id(&self, id: AccountId) -> Result<Option<Arc<AccountKeys>>, DirectoryError>;

    /// The account that has the API key with that hash, or `None`.
    ///
    /// # Errors
    /// [`DirectoryError`] if the directory cannot be reached.
    async fn find_by_api_key(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<Arc<AccountKeys>>, DirectoryError>;

    /// Whether the access token with that id was revoked by itself.
    ///
    /// # Errors
    /// [`DirectoryError`] if the directory cannot be reached.
    async fn is_token_revoked(&self, token_id: Uuid) -> Result<bool, DirectoryError>;

    /// A number that changes whenever one of the answers above may. What was found after
    /// asking for it holds as long as it is still the same. `None` if that cannot be said
    /// at the moment, or ever.
    fn version(&self) -> Option<u64> {
        None
    }

    /// Whether what others keep in memory of the same storage can be true as well. `False`
    /// where it has not been seen for too long what other servers have changed.
    fn is_in_touch(&self) -> bool {
        true
    }
}

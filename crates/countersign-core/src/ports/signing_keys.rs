//! Where the keys of access tokens, and other secrets of an installation, are kept.

use async_trait::async_trait;

use super::administration::{Act, StoreError};
use crate::algorithm::Algorithm;
use crate::encryption::Sealed;
use crate::key::PublicKey;
use crate::key_ring::{RotationStep, SigningKeyState};
use crate::time::UnixTime;

/// A signing key as stored: its private half sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// What tokens call it.
    pub kid: Box<str>,
    /// The one algorithm it is used with.
    pub algorithm: Algorithm,
    /// The public half.
    pub public_key: PublicKey,
    /// The private half; `None` where an installation only validates.
    pub sealed: Option<Sealed>,
    /// Since when it is in the JWKS.
    pub published_at: UnixTime,
    /// Since when it signs.
    pub activated_at: Option<UnixTime>,
    /// Since when it signs no more.
    pub retired_at: Option<UnixTime>,
    /// From when on nothing that it signed is accepted.
    pub gone_at: Option<UnixTime>,
}

/// A signing key that is stored, but damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableSigningKey {
    /// What tokens call it.
    pub kid: Box<str>,
    /// What is wrong with it.
    pub why: String,
    /// The algorithm that is written there.
    pub algorithm: Box<str>,
    /// Since when it is in the JWKS, if it can be used.
    pub published_at: UnixTime,
    /// Since when it signs, or should.
    pub activated_at: Option<UnixTime>,
    /// Since when it signs no more.
    pub retired_at: Option<UnixTime>,
    /// From when on nothing that it signed is accepted.
    pub gone_at: Option<UnixTime>,
}

impl UnreadableSigningKey {
    /// Where the key would stand at `now`, if it were in order.
    pub fn state(&self, now: UnixTime) -> SigningKeyState {
        SigningKeyState::at(now, [self.activated_at, self.retired_at, self.gone_at])
    }
}

/// A sealed secret of an installation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretName {
    /// The private half of the signing key of that name.
    SigningKey(Box<str>),
    /// The secret of that name.
    Named(Box<str>),
}

/// A secret that is sealed anew, under another encryption key.
#[derive(Clone, Debug)]
pub struct Resealed {
    /// Which.
    pub name: SecretName,
    /// As it is stored.
    pub former: Sealed,
    /// As it is to be stored.
    pub next: Sealed,
}

/// The key ring and the other sealed secrets of an installation.
#[async_trait]
pub trait SigningKeyStore: Send + Sync {
    /// All keys, those that are gone included. One that is damaged does not hide the others.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], as all methods here.
    async fn signing_keys(
        &self,
    ) -> Result<Vec<Result<SigningKeyRecord, UnreadableSigningKey>>, StoreError>;

    /// Puts the first keys into an empty ring; whether it was empty. Of several that
    /// begin at the same time one does it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn begin_ring(&self, act: &Act, keys: &[SigningKeyRecord]) -> Result<bool, StoreError>;

    /// Adds a key; whether its name was free.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn add_signing_key(&self, act: &Act, key: &SigningKeyRecord) -> Result<bool, StoreError>;

    /// Makes the change of a rotation and adds the next standby; whether the ring was
    /// still as the step found it. If not, nothing is changed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn rotate_signing_keys(
        &self,
        act: &Act,
        step: &RotationStep,
        standby: &SigningKeyRecord,
    ) -> Result<bool, StoreError>;

    /// Lets a key that does not sign, or not any more, go at an instant; whether there
    /// is such a key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn retire_signing_key(
        &self,
        act: &Act,
        kid: &str,
        gone_at: UnixTime,
    ) -> Result<bool, StoreError>;

    /// Lets a key go at once that cannot be used, whatever it did, and forgets its private
    /// half; whether there is such a key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn discard_signing_key(&self, act: &Act, kid: &str) -> Result<bool, StoreError>;

    /// The sealed secret of that name: `candidate` at the first call, the same ever
    /// after.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn secret(&self, name: &str, candidate: &Sealed) -> Result<Sealed, StoreError>;

    /// Everything that is sealed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn sealed(&self) -> Result<Vec<(SecretName, Sealed)>, StoreError>;

    /// Replaces everything that is sealed, all or nothing; whether these were all, and as
    /// they were said to be.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn reseal(&self, act: &Act, all: &[Resealed]) -> Result<bool, StoreError>;
}

/// Signing keys in memory that another server may have changed in the store.
#[async_trait]
pub trait SharedSigningKeys: Send + Sync {
    /// Reads them again. When it returns, what was changed before the call is in force; a
    /// key that cannot be used is not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the store does not answer.
    async fn read_again(&self) -> Result<(), StoreError>;
}

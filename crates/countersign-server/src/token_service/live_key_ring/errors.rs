//! Why a ring cannot be opened, or is not changed.

use countersign_core::ports::StoreError;
use countersign_core::{Algorithm, AmbiguousKid, PrivateKeyError, RotationError};

/// Why a ring cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenRingError {
    /// The store holds secrets that were sealed under another key.
    #[error(
        "the encryption key is not the one that the secrets in the store were sealed with ({0}): give the right one; a new key would lose every API key and signing key"
    )]
    WrongEncryptionKey(String),
    /// The store holds a secret of a later version.
    #[error("the store holds a secret called {0}, which this version does not know")]
    UnknownSecret(Box<str>),
    /// Somebody else changed the secrets at the same time.
    #[error("the secrets in the store were changed meanwhile: is a server running?")]
    Contended,
    /// A key in the store is not one.
    #[error("the signing key {kid} in the store is damaged: {why}")]
    Damaged {
        /// Which.
        kid: Box<str>,
        /// What is wrong with it.
        why: String,
    },
    /// A key could not be made.
    #[error("cannot make a signing key: {0}")]
    Generate(#[from] PrivateKeyError),
    /// Two keys have one name.
    #[error(transparent)]
    Ambiguous(#[from] AmbiguousKid),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a ring was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeRingError {
    /// There is no key to rotate to, or not yet.
    #[error(transparent)]
    Rotation(#[from] RotationError),
    /// There is no such key.
    #[error("there is no signing key called {0}: list them")]
    NoSuchKey(Box<str>),
    /// The key signs.
    #[error("the signing key {0} is active: rotate first")]
    Active(Box<str>),
    /// The name is taken.
    #[error("there is a signing key called {0} already")]
    Exists(Box<str>),
    /// The key does not fit the algorithm.
    #[error("a key of type {0} cannot sign with {1}")]
    Algorithm(String, Algorithm),
    /// Somebody else changed the ring at the same time.
    #[error("the ring was changed by somebody else meanwhile: look again")]
    Contended,
    /// The ring cannot be read.
    #[error(transparent)]
    Open(#[from] OpenRingError),
}

impl From<StoreError> for ChangeRingError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

impl From<PrivateKeyError> for ChangeRingError {
    fn from(error: PrivateKeyError) -> Self {
        Self::Open(error.into())
    }
}

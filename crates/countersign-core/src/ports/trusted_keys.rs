//! Where the keys come from that bearer tokens are verified with, and who may vouch
//! for one instead.

use std::sync::Arc;

use async_trait::async_trait;

use crate::trusted_keys::TrustedKeys;

/// Public keys of token issuers, which may change while a service runs.
pub trait TrustedKeySource: Send + Sync {
    /// The keys as they are now. Must not wait.
    fn keys(&self) -> Arc<TrustedKeys>;

    /// Takes note that a token named a key that is not there, so that the keys may be
    /// fetched again. Must not wait.
    fn unknown_key(&self) {}
}

/// Keys that never change.
impl TrustedKeySource for Arc<TrustedKeys> {
    fn keys(&self) -> Arc<TrustedKeys> {
        Arc::clone(self)
    }
}

/// Nobody can say at the moment whether a token is good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tokens cannot be validated: {0}")]
pub struct ValidatorError(pub String);

/// A service that says of a token whether it is good, for example Countersign's
/// `POST /validate`.
#[async_trait]
pub trait TokenValidator: Send + Sync {
    /// Whether the token is good at this moment.
    ///
    /// # Errors
    /// [`ValidatorError`] if there is no answer.
    async fn validate(&self, token: &str) -> Result<bool, ValidatorError>;
}

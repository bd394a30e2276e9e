//! Where refresh tokens are kept.

use async_trait::async_trait;

use super::administration::StoreError;
use crate::names::{AccountId, ApiKeyId};
use crate::secret::SecretHash;
use crate::time::UnixTime;

/// A refresh token as stored. None of it ever changes: whether it is still good
/// depends on its key and its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshTokenRecord {
    /// The hash of the token.
    pub hash: SecretHash,
    /// The API key that bought it.
    pub api_key: ApiKeyId,
    /// That key's account.
    pub account: AccountId,
    /// When it was bought.
    pub created_at: UnixTime,
    /// The instant from which on it buys nothing.
    pub expires_at: UnixTime,
}

/// Refresh tokens by their hash.
#[async_trait]
pub trait RefreshTokenStore: Send + Sync {
    /// Keeps a token; whether its key was still there to buy it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the token may be there all the same.
    async fn add_refresh_token(&self, token: RefreshTokenRecord) -> Result<bool, StoreError>;

    /// The token with this hash, expired ones included as long as they are there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn refresh_token(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<RefreshTokenRecord>, StoreError>;

    /// Deletes some of those that expired before `now`; whether more may be left.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn delete_expired_refresh_tokens(&self, now: UnixTime) -> Result<bool, StoreError>;
}

//! What may be done to the API keys of accounts.

use std::net::IpAddr;

use async_trait::async_trait;
use uuid::Uuid;

use super::administration::{Act, StoreError};
use crate::names::{AccountId, AccountName, ApiKeyId};
use crate::secret::SecretHash;
use crate::time::UnixTime;

/// An API key as stored: everything but the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Its id.
    pub id: ApiKeyId,
    /// The account it belongs to.
    pub account: AccountId,
    /// Its hash.
    pub hash: SecretHash,
    /// What the operator calls it.
    pub comment: String,
    /// When it was registered.
    pub created_at: UnixTime,
    /// The instant from which on it buys nothing.
    pub expires_at: Option<UnixTime>,
    /// When it was withdrawn, for good.
    pub revoked_at: Option<UnixTime>,
    /// When it was last used.
    pub last_used_at: Option<UnixTime>,
    /// The address that use came from.
    pub last_used_from: Option<IpAddr>,
}

/// An API key to be registered.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its hash.
    pub hash: SecretHash,
    /// A comment, possibly empty.
    pub comment: String,
    /// The instant from which on it buys nothing.
    pub expires_at: Option<UnixTime>,
}

/// API keys and the tokens they buy, for operators; and the registration of keys,
/// for whoever reaches the internal listener.
///
/// As in [`AdminStore`](super::AdminStore), every mutation is one transaction of
/// conditional statements and leaves one audit record.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Gives an account a key.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`]; [`StoreError::ApiKeyExists`] if any account has
    /// a key with this hash or id.
    async fn add_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        new: NewApiKey,
    ) -> Result<ApiKeyRecord, StoreError>;

    /// All API keys of an account in the order they were registered; `None` if there
    /// is no such account.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn api_keys(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<ApiKeyRecord>>, StoreError>;

    /// Sets or clears a key's expiry; the key after the change.
    ///
    /// # Errors
    /// [`StoreError::KeyRevoked`].
    async fn expire_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        key: ApiKeyId,
        expires_at: Option<UnixTime>,
    ) -> Result<Option<ApiKeyRecord>, StoreError>;

    /// Withdraws a key for good, and with it every token it bought; the key after the
    /// change. Revoking again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn revoke_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        key: ApiKeyId,
    ) -> Result<Option<ApiKeyRecord>, StoreError>;

    /// Registers a key for an identifier, as `POST /register_key` does: the account
    /// that is named by it and has it as its id is made if need be, and a key that is
    /// there already gets the new expiry.
    ///
    /// # Errors
    /// [`StoreError::NotRegistrable`] if the account was not made by a registration,
    /// is disabled or in a group, or if the key is revoked or another account's.
    async fn register_api_key(
        &self,
        act: &Act,
        identifier: AccountId,
        new: NewApiKey,
    ) -> Result<ApiKeyRecord, StoreError>;

    /// Refuses the access token with this id from now on; it is remembered until it
    /// has certainly expired.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn revoke_token(
        &self,
        act: &Act,
        token_id: Uuid,
        remember_until: UnixTime,
    ) -> Result<(), StoreError>;

    /// Forgets tokens that were revoked by their id and have expired since.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn forget_revoked_tokens(&self, now: UnixTime) -> Result<(), StoreError>;
}

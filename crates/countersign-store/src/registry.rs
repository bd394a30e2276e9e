//! What a registry of accounts can do beyond the administration port.

use std::net::IpAddr;

use async_trait::async_trait;
use countersign_core::ports::{
    Account, Act, AdminStore, ApiKeyRecord, ApiKeyStore, NewAccount, NewPublicKey, Page,
    PublicKeyRecord, StoreError,
};
use countersign_core::{AccountId, AccountName, ApiKeyId, Fingerprints, SecretHash, UnixTime};
use uuid::Uuid;

/// An account with everything that decides whether its signatures are accepted.
#[derive(Clone, Debug)]
pub struct StoredAccount {
    /// The account.
    pub account: Account,
    /// Its keys in the order they were registered, revoked and expired ones included.
    pub keys: Vec<PublicKeyRecord>,
    /// The URLs of its JWKS endpoints in the order they were added.
    pub endpoints: Vec<String>,
    /// Its API keys in the order they were registered, likewise.
    pub api_keys: Vec<ApiKeyRecord>,
}

/// A credential that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsedCredential {
    /// A public key, registered or from a JWKS endpoint.
    PublicKey(Fingerprints),
    /// An API key.
    ApiKey(ApiKeyId),
}

/// The latest use of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialUse {
    /// The account whose credential it is.
    pub account: AccountId,
    /// The credential.
    pub credential: UsedCredential,
    /// When.
    pub at: UnixTime,
    /// The address the request came from, if known.
    pub from: Option<IpAddr>,
}

/// The longest stretch of a listing.
const MAX_PAGE: u32 = 1000;

/// How many items a page has at most, within the limit.
pub(crate) fn page_size<After>(page: &Page<After>) -> usize {
    page.limit.clamp(1, MAX_PAGE) as usize
}

/// An access token that was revoked by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// Its id.
    pub token_id: Uuid,
    /// Until when it is remembered: it has expired by then.
    pub remember_until: UnixTime,
}

/// A store of accounts: the ports for administration, and what a directory, a first
/// start and the fetcher of JWKS endpoints need.
///
/// Every method fails with [`StoreError::Unavailable`] if the storage does not
/// answer.
#[async_trait]
pub trait RegistryStore: AdminStore + ApiKeyStore {
    /// One account as a verifier needs it. Does the same queries whether or not
    /// there is such an account.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn load(&self, name: &AccountName) -> Result<Option<StoredAccount>, StoreError>;

    /// Accounts in order of their names, for filling a directory.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn load_page(&self, page: Page<AccountName>) -> Result<Vec<StoredAccount>, StoreError>;

    /// The name of the account with that id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn name_by_id(&self, id: AccountId) -> Result<Option<AccountName>, StoreError>;

    /// The name of the account that has the API key with that hash.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn name_by_api_key(&self, hash: &SecretHash) -> Result<Option<AccountName>, StoreError>;

    /// Whether the access token with that id was revoked by it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn is_token_revoked(&self, token_id: Uuid) -> Result<bool, StoreError>;

    /// Every access token that was revoked by its id and is still remembered.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn revoked_tokens(&self) -> Result<Vec<RevokedToken>, StoreError>;

    /// Writes down uses of credentials, in one transaction. An older use never
    /// replaces a newer one; uses of accounts or credentials that are no longer there
    /// are left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn record_last_use(&self, uses: &[CredentialUse]) -> Result<(), StoreError>;

    /// The id of this installation: `candidate` at the first call, the same
    /// ever after.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn instance_id(&self, candidate: Uuid) -> Result<Uuid, StoreError>;

    /// Makes the first account, in the group `admin` and with this key, unless
    /// there is any account; whether it did.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn bootstrap_admin(
        &self,
        act: &Act,
        account: NewAccount,
        key: NewPublicKey,
    ) -> Result<bool, StoreError>;

    /// Lets someone in again who has lost every admin key: the account of that
    /// name is made if need be, enabled, put into the group `admin`, and given
    /// the key. An account that exists keeps its id and its other groups.
    ///
    /// # Errors
    /// [`StoreError::KeyRevoked`] if the account has the key and it was
    /// revoked; [`StoreError::AccountExists`] if the name is new but the id is
    /// another account's.
    async fn recover_admin(
        &self,
        act: &Act,
        account: NewAccount,
        key: NewPublicKey,
    ) -> Result<Account, StoreError>;
}

//! What a registry of accounts can do beyond the administration port.

use std::net::IpAddr;

use async_trait::async_trait;
use countersign_core::ports::{
    Account, Act, AdminStore, NewAccount, NewPublicKey, Page, PublicKeyRecord, StoreError,
};
use countersign_core::{AccountId, AccountName, Fingerprints, UnixTime};
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
}

/// The latest use of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The account whose key it is.
    pub account: AccountId,
    /// The key, registered or from a JWKS endpoint.
    pub key: Fingerprints,
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

/// A store of accounts: the administration port, and what a directory, a first
/// start and the fetcher of JWKS endpoints need.
///
/// Every method fails with [`StoreError::Unavailable`] if the storage does not
/// answer.
#[async_trait]
pub trait RegistryStore: AdminStore {
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

    /// Writes down uses of keys, in one transaction. An older use never
    /// replaces a newer one; uses of accounts or keys that are no longer there
    /// are left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn record_last_use(&self, uses: &[KeyUse]) -> Result<(), StoreError>;

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

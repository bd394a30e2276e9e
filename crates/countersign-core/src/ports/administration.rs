//! What an operator may do to accounts, keys and JWKS endpoints.

use std::net::IpAddr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::key::PublicKey;
use crate::names::{AccountId, AccountName, GroupName};
use crate::time::UnixTime;

/// An account as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Immutable id.
    pub id: AccountId,
    /// Unique name.
    pub name: AccountName,
    /// Its groups, sorted, each once.
    pub groups: Vec<GroupName>,
    /// Whether it is refused.
    pub disabled: bool,
    /// When it was made.
    pub created_at: UnixTime,
    /// Whether it was made by the registration of an API key, which nobody signs for:
    /// only such an account may be given further ones that way.
    pub registered: bool,
    /// Access tokens issued up to here are refused.
    pub tokens_revoked_at: Option<UnixTime>,
    /// When one of its credentials last led to an identity.
    pub last_used_at: Option<UnixTime>,
    /// The address that use came from.
    pub last_used_from: Option<IpAddr>,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its id, fresh or chosen by the operator.
    pub id: AccountId,
    /// Its name.
    pub name: AccountName,
    /// Its groups.
    pub groups: Vec<GroupName>,
}

/// A change to an account.
#[derive(Clone, Debug)]
pub enum AccountChange {
    /// Refuse it from now on (`true`) or accept it again (`false`).
    SetDisabled(bool),
    /// Replace its groups.
    SetGroups(Vec<GroupName>),
    /// Refuse every access token issued so far.
    RevokeTokens,
}

/// A public key as stored.
#[derive(Clone, Debug)]
pub struct PublicKeyRecord {
    /// The account it belongs to.
    pub account: AccountId,
    /// The key.
    pub key: PublicKey,
    /// What the operator or the key file calls it.
    pub comment: String,
    /// When it was registered.
    pub created_at: UnixTime,
    /// The instant from which on it is refused.
    pub expires_at: Option<UnixTime>,
    /// When it was withdrawn, for good.
    pub revoked_at: Option<UnixTime>,
    /// When a request signed by it was last accepted.
    pub last_used_at: Option<UnixTime>,
    /// The address that request came from.
    pub last_used_from: Option<IpAddr>,
}

/// A public key to be registered.
#[derive(Clone, Debug)]
pub struct NewPublicKey {
    /// The key.
    pub key: PublicKey,
    /// A comment, possibly empty.
    pub comment: String,
    /// The instant from which on it is refused.
    pub expires_at: Option<UnixTime>,
}

/// A URL whose JWKS an account signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksEndpoint {
    /// The account it belongs to.
    pub account: AccountId,
    /// The URL, normalised.
    pub url: String,
    /// When it was added.
    pub created_at: UnixTime,
    /// How its fetching goes; `None` from a store that does not fetch.
    pub status: Option<EndpointStatus>,
}

/// How the fetching of a JWKS endpoint goes, for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointStatus {
    /// When it was last asked, with whatever outcome.
    pub attempted_at: Option<UnixTime>,
    /// When it last gave a key set.
    pub fetched_at: Option<UnixTime>,
    /// How many keys that set has that can be used.
    pub keys: usize,
    /// The entries of that set that cannot be used, and why.
    pub skipped: Vec<String>,
    /// Why the last attempt failed, if it did.
    pub error: Option<String>,
}

/// Who does an administrative act, when, and from where.
#[derive(Clone, Debug)]
pub struct Act {
    /// The operator's account, or a word such as `first-start` for the program's own acts.
    pub actor: String,
    /// When.
    pub at: UnixTime,
    /// The address the call came from, if it came over the network.
    pub from: Option<IpAddr>,
}

/// A row of the audit trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Position in the trail, ascending.
    pub sequence: i64,
    /// When, in microseconds since the epoch.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// From which address.
    pub from: Option<IpAddr>,
    /// What was done, for example `account.create`.
    pub action: String,
    /// To what, for example `account billing-worker-7`.
    pub target: String,
    /// The state before, `null` for something new.
    pub before: serde_json::Value,
    /// The state after, `null` for something deleted.
    pub after: serde_json::Value,
}

/// Which accounts a listing shows.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    /// Only accounts in this group.
    pub group: Option<GroupName>,
    /// Only accounts whose name contains this text.
    pub name_contains: Option<String>,
    /// Only accounts in this condition.
    pub condition: Option<AccountCondition>,
}

/// What an operator looks for among the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountCondition {
    /// They are disabled.
    Disabled,
    /// Nothing proved them since then, and they are older than that.
    UnusedSince(UnixTime),
    /// One of their public keys, not revoked, expires behind the first instant and not
    /// behind the second.
    KeyExpires(UnixTime, UnixTime),
}

/// Which acts a listing shows.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only acts by this account.
    pub actor: Option<String>,
    /// Only acts of this kind, for example `account.create`.
    pub action: Option<String>,
    /// Only acts upon what has this text in its name.
    pub target_contains: Option<String>,
    /// Only acts of this instant and later ones.
    pub since: Option<UnixTime>,
}

/// A stretch of a listing.
#[derive(Clone, Debug)]
pub struct Page<After> {
    /// Begin behind this item; `None` begins at the first.
    pub after: Option<After>,
    /// At most this many items, 1..=1000.
    pub limit: u32,
}

/// Why an administrative act was not done. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The account's name or id is taken.
    #[error("an account with this name or id exists already")]
    AccountExists,
    /// There is no such account.
    #[error("there is no such account")]
    NoSuchAccount,
    /// The account has this key, and it was revoked: that is for good.
    #[error("this account has this key already, and it was revoked: make a new key pair")]
    KeyRevoked,
    /// The hash is that of an API key which is there already.
    #[error("this API key is registered already, or was and is revoked")]
    ApiKeyExists,
    /// A registration may only make or renew what a registration has made.
    #[error(
        "this API key or identifier belongs to an account that a registration may not change: it was made by an operator, has groups, or is disabled, or the key is revoked or another identifier's"
    )]
    NotRegistrable,
    /// The act would leave nobody who can administrate.
    #[error(
        "this is the last account that can administrate: give another account the group `admin` and a key first"
    )]
    LastAdmin,
    /// The storage cannot be reached or does not answer.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
}

/// Accounts, their keys and JWKS endpoints, and the audit trail.
///
/// Every mutation is one transaction of conditional statements and leaves one
/// audit record. What is not found is `Ok(None)` or `Ok(false)`.
#[async_trait]
pub trait AdminStore: Send + Sync {
    /// Makes an account.
    ///
    /// # Errors
    /// [`StoreError::AccountExists`] if its name or id is taken.
    async fn create_account(&self, act: &Act, new: NewAccount) -> Result<Account, StoreError>;

    /// The account of that name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], as all methods here.
    async fn account(&self, name: &AccountName) -> Result<Option<Account>, StoreError>;

    /// Accounts in order of their names.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn accounts(
        &self,
        filter: &AccountFilter,
        page: Page<AccountName>,
    ) -> Result<Vec<Account>, StoreError>;

    /// Accounts, the newest first; those of one instant in the reverse order of their
    /// names. A page begins behind what was made then and is called so.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn newest_accounts(
        &self,
        filter: &AccountFilter,
        page: Page<(UnixTime, AccountName)>,
    ) -> Result<Vec<Account>, StoreError>;

    /// Changes an account; the account after the change, or `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::LastAdmin`] if nobody could administrate afterwards.
    async fn change_account(
        &self,
        act: &Act,
        name: &AccountName,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError>;

    /// Deletes an account with its keys and endpoints; whether there was one.
    ///
    /// # Errors
    /// [`StoreError::LastAdmin`] if nobody could administrate afterwards.
    async fn delete_account(&self, act: &Act, name: &AccountName) -> Result<bool, StoreError>;

    /// Registers a key. The same key again for the same account is the same
    /// key: its record is returned unchanged.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or [`StoreError::KeyRevoked`] if the account
    /// has the key and it was revoked.
    async fn add_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        new: NewPublicKey,
    ) -> Result<PublicKeyRecord, StoreError>;

    /// All keys of an account in the order they were registered; `None` if
    /// there is no such account.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn public_keys(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<PublicKeyRecord>>, StoreError>;

    /// Sets or clears a key's expiry; the key after the change. `fingerprint`
    /// is any of the three.
    ///
    /// # Errors
    /// [`StoreError::KeyRevoked`];
    /// [`StoreError::LastAdmin`] if nobody could administrate afterwards.
    async fn expire_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        fingerprint: &str,
        expires_at: Option<UnixTime>,
    ) -> Result<Option<PublicKeyRecord>, StoreError>;

    /// Withdraws a key for good; the key after the change. Revoking again
    /// changes nothing. `fingerprint` is any of the three.
    ///
    /// # Errors
    /// [`StoreError::LastAdmin`] if nobody could administrate afterwards.
    async fn revoke_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        fingerprint: &str,
    ) -> Result<Option<PublicKeyRecord>, StoreError>;

    /// Trusts a JWKS URL for an account; adding it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`].
    async fn add_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<JwksEndpoint, StoreError>;

    /// An account's JWKS endpoints in the order they were added; `None` if
    /// there is no such account.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn jwks_endpoints(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<JwksEndpoint>>, StoreError>;

    /// Trusts a JWKS URL no longer; whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn remove_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<bool, StoreError>;

    /// Notes that the act's operator signed in to the console with this key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn signed_in(&self, act: &Act, key: &PublicKey) -> Result<(), StoreError>;

    /// The audit trail, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn audit(
        &self,
        filter: &AuditFilter,
        page: Page<i64>,
    ) -> Result<Vec<AuditRecord>, StoreError>;

    /// The audit trail, the newest first: a page begins with what is older than its
    /// `after`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn latest_audit(
        &self,
        filter: &AuditFilter,
        page: Page<i64>,
    ) -> Result<Vec<AuditRecord>, StoreError>;
}

//! The outcome of authentication.

use std::fmt;
use std::sync::Arc;

use crate::key::{Fingerprints, PublicKey};
use crate::names::{AccountId, AccountName, GroupName};
use crate::ports::AccountKeys;

/// How an identity was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// A one-time token that the caller signed itself.
    SignedRequest,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignedRequest => "signed-request",
        })
    }
}

/// A caller that has proved who it is.
///
/// There is no public constructor: the way to an identity is
/// [`VerifiedToken::spend`](crate::VerifiedToken::spend).
#[derive(Clone, Debug)]
pub struct Identity {
    account: Arc<AccountKeys>,
    method: Method,
    key: PublicKey,
}

impl Identity {
    /// The one constructor.
    pub(crate) fn proved(account: Arc<AccountKeys>, method: Method, key: PublicKey) -> Self {
        Self { account, method, key }
    }

    /// The account's immutable id.
    pub fn account_id(&self) -> AccountId {
        self.account.id
    }

    /// The account's name.
    pub fn account(&self) -> &AccountName {
        &self.account.name
    }

    /// The groups the account is in, sorted.
    pub fn groups(&self) -> &[GroupName] {
        &self.account.groups
    }

    /// Whether the account is in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.account.groups.iter().any(|found| found.as_str() == group)
    }

    /// How the caller proved itself.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The fingerprints of the key that proved it.
    pub fn credential(&self) -> &Fingerprints {
        self.key.fingerprints()
    }

    /// The key that proved it.
    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }
}

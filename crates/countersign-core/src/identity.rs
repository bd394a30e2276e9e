//! The outcome of authentication.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::names::{AccountId, AccountName, GroupName};
use crate::ports::{AccountKeys, Credential};

/// How an identity was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// A one-time token that the caller signed itself.
    SignedRequest,
    /// An access token that we signed.
    AccessToken,
    /// An API key, shown as it is.
    ApiKey,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignedRequest => "signed-request",
            Self::AccessToken => "access-token",
            Self::ApiKey => "api-key",
        })
    }
}

/// A caller that has proved who it is.
///
/// There is no public constructor. The ways to an identity are
/// [`VerifiedToken::spend`](crate::VerifiedToken::spend),
/// [`VerifiedAccessToken::admit`](crate::VerifiedAccessToken::admit) and
/// [`ApiKeyHolder::identity`](crate::ApiKeyHolder::identity).
#[derive(Clone, Debug)]
pub struct Identity {
    account: Arc<AccountKeys>,
    credential: Credential,
    identifier: Option<Uuid>,
}

impl Identity {
    /// The one constructor.
    pub(crate) fn proved(account: Arc<AccountKeys>, credential: Credential) -> Self {
        Self { account, credential, identifier: None }
    }

    /// The same with the identifier that the caller claims, which need not be its
    /// account's id.
    pub(crate) fn with_identifier(self, identifier: Uuid) -> Self {
        Self { identifier: Some(identifier), ..self }
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
        match self.credential {
            Credential::PublicKey(_) => Method::SignedRequest,
            Credential::ApiKey(_) => Method::ApiKey,
            Credential::AccessToken(_) => Method::AccessToken,
        }
    }

    /// What proved it.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The identifier that the caller claims, for routing: of an access token that
    /// Countersign signed. Under a compatibility setting it may be anything.
    pub fn claimed_identifier(&self) -> Option<Uuid> {
        self.identifier
    }
}

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
    /// A token of an issuer that the service trusts.
    BearerToken,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignedRequest => "signed-request",
            Self::AccessToken => "access-token",
            Self::ApiKey => "api-key",
            Self::BearerToken => "bearer-token",
        })
    }
}

/// A caller that has proved who it is.
///
/// There is no public constructor. The ways to an identity are
/// [`VerifiedToken::spend`](crate::VerifiedToken::spend),
/// [`VerifiedAccessToken::admit`](crate::VerifiedAccessToken::admit),
/// [`ApiKeyHolder::identity`](crate::ApiKeyHolder::identity) and
/// [`VerifiedBearerToken::identity`](crate::VerifiedBearerToken::identity).
#[derive(Clone)]
pub struct Identity {
    account: AccountName,
    groups: Arc<[GroupName]>,
    proof: Proof,
    claims: Option<Arc<str>>,
}

/// What proved an identity, and what is known only of identities proved so.
#[derive(Clone, Debug)]
enum Proof {
    /// A credential of an account that we keep.
    Kept(Kept),
    /// A token of an issuer that the service trusts.
    Bearer,
    /// A test that says so.
    #[cfg(feature = "testing")]
    Test,
}

/// What is known of an account that we keep.
#[derive(Clone, Debug)]
struct Kept {
    id: AccountId,
    credential: Credential,
    identifier: Option<Uuid>,
}

impl Identity {
    /// The constructor for accounts that we keep.
    pub(crate) fn proved(account: &AccountKeys, credential: Credential) -> Self {
        Self {
            account: account.name.clone(),
            groups: Arc::clone(&account.groups),
            proof: Proof::Kept(Kept { id: account.id, credential, identifier: None }),
            claims: None,
        }
    }

    /// The constructor for those whom a trusted issuer names.
    pub(crate) fn of_bearer(
        account: AccountName,
        groups: Arc<[GroupName]>,
        claims: Arc<str>,
    ) -> Self {
        Self { account, groups, proof: Proof::Bearer, claims: Some(claims) }
    }

    /// An identity that nobody has proved, for tests of handlers.
    ///
    /// Only there with the feature `testing`, which belongs into `dev-dependencies`.
    #[cfg(feature = "testing")]
    pub fn unproved_for_tests(account: AccountName, groups: Vec<GroupName>) -> Self {
        Self { account, groups: groups.into(), proof: Proof::Test, claims: None }
    }

    /// The same with the identifier that the caller claims, which need not be its
    /// account's id.
    pub(crate) fn with_identifier(mut self, claimed: Uuid) -> Self {
        if let Proof::Kept(kept) = &mut self.proof {
            kept.identifier = Some(claimed);
        }
        self
    }

    /// The same with the claims that the caller signed.
    pub(crate) fn with_claims(self, claims: Arc<str>) -> Self {
        Self { claims: Some(claims), ..self }
    }

    /// The same caller in these groups instead, for a service that knows better than
    /// the credential which groups an account is in.
    #[must_use]
    pub fn with_groups(self, mut groups: Vec<GroupName>) -> Self {
        groups.sort();
        groups.dedup();
        Self { groups: groups.into(), ..self }
    }

    /// The account's immutable id, if it is an account that Countersign keeps and not
    /// one that another issuer names.
    pub fn account_id(&self) -> Option<AccountId> {
        self.kept().map(|kept| kept.id)
    }

    /// The account's name.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// The groups the account is in, sorted.
    pub fn groups(&self) -> &[GroupName] {
        &self.groups
    }

    /// Whether the account is in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|found| found.as_str() == group)
    }

    /// How the caller proved itself.
    pub fn method(&self) -> Method {
        match self.credential() {
            Some(Credential::PublicKey(_)) => Method::SignedRequest,
            Some(Credential::ApiKey(_)) => Method::ApiKey,
            Some(Credential::AccessToken(_)) => Method::AccessToken,
            None => Method::BearerToken,
        }
    }

    /// What proved it, if it is a credential that Countersign keeps.
    pub fn credential(&self) -> Option<&Credential> {
        self.kept().map(|kept| &kept.credential)
    }

    /// The identifier that the caller claims, for routing: of an access token that
    /// Countersign signed. Under a compatibility setting it may be anything.
    pub fn claimed_identifier(&self) -> Option<Uuid> {
        self.kept().and_then(|kept| kept.identifier)
    }

    /// The payload of the token that proved it, a JSON object, if there is one: of a
    /// signed request or of a bearer token.
    pub fn claims(&self) -> Option<&str> {
        self.claims.as_deref()
    }

    fn kept(&self) -> Option<&Kept> {
        if let Proof::Kept(kept) = &self.proof { Some(kept) } else { None }
    }
}

/// Without the claims, which may say more of somebody than belongs into a log.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("account", &self.account)
            .field("groups", &self.groups)
            .field("proof", &self.proof)
            .finish_non_exhaustive()
    }
}

//! Accounts on the wire.

use std::net::IpAddr;

use countersign_core::{AccountId, AccountName, GroupName, ports};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::instant::to_timestamp;
use super::names;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Immutable id.
    #[schema(value_type = Uuid)]
    pub id: AccountId,
    /// Unique name.
    #[schema(value_type = names::Account)]
    pub name: AccountName,
    /// Its groups, sorted, each once.
    #[schema(value_type = Vec<names::Group>)]
    pub groups: Vec<GroupName>,
    /// Whether it is refused.
    pub disabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it was made by the registration of an API key.
    pub registered: bool,
    /// Access tokens issued up to here are refused.
    pub tokens_revoked_at: Option<Timestamp>,
    /// When one of its credentials last led to an identity.
    pub last_used_at: Option<Timestamp>,
    /// The address that use came from.
    #[schema(value_type = Option<String>)]
    pub last_used_from: Option<IpAddr>,
}

/// The body of `POST /v1/accounts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccount {
    /// Its name.
    #[schema(value_type = names::Account)]
    pub name: AccountName,
    /// Its groups.
    #[serde(default)]
    #[schema(value_type = Vec<names::Group>)]
    pub groups: Vec<GroupName>,
    /// Its id; the server draws one where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub id: Option<AccountId>,
}

/// The body of `PATCH /v1/accounts/{name}`. Exactly one member is given: each
/// call is one act with one row in the audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeAccount {
    /// Refuse the account from now on, or accept it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Replace its groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<names::Group>>)]
    pub groups: Option<Vec<GroupName>>,
}

/// The query of `GET /v1/accounts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccountsQuery {
    /// Begin behind the account of this name.
    #[param(value_type = Option<names::Account>)]
    pub after: Option<AccountName>,
    /// At most this many; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only accounts in this group.
    #[param(value_type = Option<names::Group>)]
    pub group: Option<GroupName>,
    /// Only accounts whose name contains this text.
    pub name_contains: Option<String>,
    /// Only accounts with a public key that expires behind this instant.
    pub key_expires_after: Option<Timestamp>,
    /// Only accounts with a public key that expires by this instant.
    pub key_expires_before: Option<Timestamp>,
}

/// The answer to `GET /v1/accounts`, in order of the names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accounts {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// What to give as `after` for the accounts that follow; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<names::Account>)]
    pub next: Option<AccountName>,
}

impl From<ports::Account> for Account {
    fn from(account: ports::Account) -> Self {
        Self {
            id: account.id,
            name: account.name,
            groups: account.groups,
            disabled: account.disabled,
            created_at: to_timestamp(account.created_at),
            registered: account.registered,
            tokens_revoked_at: account.tokens_revoked_at.map(to_timestamp),
            last_used_at: account.last_used_at.map(to_timestamp),
            last_used_from: account.last_used_from,
        }
    }
}

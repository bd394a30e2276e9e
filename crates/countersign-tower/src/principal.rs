//! Whom a rule can mean.

use countersign_core::{AccountName, GroupName};

use crate::identity::Identity;

/// Whom a rule means. Each kind is a variant of its own, so that an account called like
/// a group, or like everyone, is still nothing but that account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Whoever calls, also without proving anything.
    Everyone,
    /// Whoever has proved who it is.
    Authenticated,
    /// One account.
    Account(AccountName),
    /// The members of a group.
    Group(GroupName),
}

impl Principal {
    /// Whether the caller, or nobody, is meant.
    pub fn includes(&self, caller: Option<&Identity>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Authenticated => caller.is_some(),
            Self::Account(name) => caller.is_some_and(|caller| caller.account() == name),
            Self::Group(name) => caller.is_some_and(|caller| caller.groups().contains(name)),
        }
    }
}

/// All principals that a caller is, most general first.
pub fn effective_principals(caller: Option<&Identity>) -> Vec<Principal> {
    let Some(caller) = caller else { return vec![Principal::Everyone] };
    let own = [
        Principal::Everyone,
        Principal::Authenticated,
        Principal::Account(caller.account().clone()),
    ];
    own.into_iter().chain(caller.groups().iter().cloned().map(Principal::Group)).collect()
}

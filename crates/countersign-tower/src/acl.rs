//! Rules on who may pass: the first that means the caller decides, and if none does,
//! the caller may not.

use std::sync::Arc;

use crate::identity::Identity;
use crate::principal::Principal;

/// What becomes of those whom a rule means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// They may pass.
    Allow,
    /// They may not.
    Deny,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What becomes of them.
    pub effect: Effect,
    /// Whom it means.
    pub principal: Principal,
}

/// A list of rules. The first that means the caller decides; if there is none, the
/// caller is denied, so an empty list denies everyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl(Arc<[Rule]>);

impl Acl {
    /// A list of these rules, in this order.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// Whether the caller, or nobody, may pass.
    pub fn allows(&self, caller: Option<&Identity>) -> bool {
        let decisive = self.0.iter().find(|rule| rule.principal.includes(caller));
        decisive.is_some_and(|rule| rule.effect == Effect::Allow)
    }
}

/// Writes an [`Acl`]: the words `allow` and `deny`, each with `everyone`,
/// `authenticated`, `account NAME` or `group NAME`.
///
/// ```
/// use countersign_tower::acl;
///
/// let rules = acl![deny account "intern", allow group "ops", allow group "billing"];
/// assert!(!rules.allows(None), "deny by default");
/// assert!(acl![allow everyone].allows(None));
/// ```
///
/// # Panics
/// If a name is none that an account or a group can have.
#[macro_export]
macro_rules! acl {
    // One rule after the other, gathered in brackets.
    (@rules [$($rules:expr,)*]) => { $crate::Acl::new([$($rules),*]) };
    (@rules [$($rules:expr,)*] $effect:ident everyone $(, $($rest:tt)*)?) => {
        $crate::acl!(@rules [$($rules,)* $crate::acl!(@rule $effect, Everyone),] $($($rest)*)?)
    };
    (@rules [$($rules:expr,)*] $effect:ident authenticated $(, $($rest:tt)*)?) => {
        $crate::acl!(@rules [$($rules,)* $crate::acl!(@rule $effect, Authenticated),] $($($rest)*)?)
    };
    (@rules [$($rules:expr,)*] $effect:ident account $name:expr $(, $($rest:tt)*)?) => {
        $crate::acl!(@rules [$($rules,)* $crate::acl!(@rule $effect, Account($name)),] $($($rest)*)?)
    };
    (@rules [$($rules:expr,)*] $effect:ident group $name:expr $(, $($rest:tt)*)?) => {
        $crate::acl!(@rules [$($rules,)* $crate::acl!(@rule $effect, Group($name)),] $($($rest)*)?)
    };
    // Unwrap safety: the names are the service's own, not a caller's; the panic is documented.
    (@rule $effect:ident, $principal:ident $(($name:expr))?) => {
        $crate::Rule {
            effect: $crate::acl!(@effect $effect),
            principal: $crate::Principal::$principal $(
                ($name.parse().expect("a name that an account or a group can have"))
            )?,
        }
    };
    (@effect allow) => { $crate::Effect::Allow };
    (@effect deny) => { $crate::Effect::Deny };
    ($($rules:tt)*) => { $crate::acl!(@rules [] $($rules)*) };
}

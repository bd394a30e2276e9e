//! What operators may do, by the groups of their accounts.

use countersign_core::{ADMIN_GROUP, AUDITOR_GROUP, GroupName};

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Look at everything and change it.
    Administrator,
    /// Look at everything.
    Auditor,
}

impl Role {
    /// The role that these groups give, the greater one if both.
    pub(super) fn of(groups: &[GroupName]) -> Option<Self> {
        let has = |name| groups.iter().any(|group| group.as_str() == name);
        if has(ADMIN_GROUP) {
            Some(Self::Administrator)
        } else {
            has(AUDITOR_GROUP).then_some(Self::Auditor)
        }
    }

    /// Whether it may change anything.
    pub(super) fn may_change(self) -> bool {
        self == Self::Administrator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greater_role_counts_and_only_exact_names_give_one() {
        let role = |names: &[&str]| {
            Role::of(&names.iter().map(|name| GroupName::new(name).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(role(&["auditor", "admin"]), Some(Role::Administrator));
        assert_eq!(role(&["ops", "auditor"]), Some(Role::Auditor));
        assert_eq!(role(&["Admin", "admins", "auditors"]), None);
        assert_eq!(role(&[]), None);
    }
}

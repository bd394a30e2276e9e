//! Principals and rules.

use countersign_core::AccountName;
use countersign_tower::{Acl, Identity, Principal, acl, effective_principals};

use crate::support::{group, with_secret};

fn caller(account: &str, groups: &[&str]) -> Identity {
    let groups = groups.iter().map(|name| group(name)).collect();
    let account = AccountName::new(account).unwrap();
    let identity = countersign_core::Identity::unproved_for_tests(account, groups);
    Identity::unproved_for_tests(identity, with_secret())
}

#[test]
fn an_account_is_never_taken_for_a_group_or_for_everyone() {
    let names = ["group:admin", "admin", "system.Everyone", "system.Authenticated", "Everyone"];
    for name in names {
        let caller = caller(name, &[]);
        assert!(!acl![allow group "admin"].allows(Some(&caller)), "{name}");
        assert!(!acl![allow group "group:admin"].allows(Some(&caller)), "{name}");
        assert!(!acl![allow account "worker"].allows(Some(&caller)), "{name}");
        let principals = effective_principals(Some(&caller));
        let own = Principal::Account(AccountName::new(name).unwrap());
        assert_eq!(principals, [Principal::Everyone, Principal::Authenticated, own]);
    }
    let member = caller("worker", &["admin"]);
    assert!(!acl![allow account "admin"].allows(Some(&member)));
    assert!(acl![allow group "admin"].allows(Some(&member)));
    assert_eq!(effective_principals(Some(&member)).last(), Some(&Principal::Group(group("admin"))));
    assert_eq!(effective_principals(None), [Principal::Everyone]);
}

#[test]
fn the_first_rule_that_means_the_caller_decides_and_the_last_word_is_no() {
    let worker = caller("worker", &["ops"]);
    let worker = Some(&worker);
    for (rules, to_worker, to_nobody) in [
        (Acl::new([]), false, false),
        (acl![], false, false),
        (acl![allow everyone], true, true),
        (acl![allow authenticated], true, false),
        (acl![deny everyone, allow group "ops"], false, false),
        (acl![allow group "ops", deny everyone], true, false),
        (acl![deny account "worker", allow group "ops"], false, false),
        (acl![allow account "worker", deny group "ops",], true, false),
        (acl![allow group "billing"], false, false),
        (acl![deny authenticated, allow everyone], false, true),
    ] {
        assert_eq!(rules.allows(worker), to_worker, "{rules:?}");
        assert_eq!(rules.allows(None), to_nobody, "{rules:?}");
    }
}

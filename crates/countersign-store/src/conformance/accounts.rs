//! Accounts: made once, found by their exact name, listed in order.

use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_core::ports::{
    Account, AccountChange, AccountCondition, AccountFilter, AdminStore, NewPublicKey, Page,
    StoreError,
};

use super::{act, cases, create, fresh_key, group, id, listed, name, new_account, new_key};

cases!(AdminStore:
    an_account_is_made_once,
    names_are_compared_byte_by_byte,
    a_listing_is_in_order_and_in_pages,
    a_page_has_between_one_and_a_thousand_items,
    a_listing_shows_what_passes_its_filters,
    a_listing_shows_accounts_in_a_condition,
    the_newest_accounts_come_first,
    groups_are_replaced_and_sorted,
    an_account_is_disabled_and_enabled,
    a_deleted_account_takes_its_credentials_along,
    an_unknown_account_is_not_an_error,
);

async fn an_account_is_made_once(store: Arc<dyn AdminStore>) {
    let new = new_account(1, "robot", &["ops", "dev", "ops"]);
    let made = store.create_account(&act(7), new).await;
    let expected = Account {
        id: id(1),
        name: name("robot"),
        groups: vec![group("dev"), group("ops")],
        disabled: false,
        created_at: UnixTime::from_secs(7),
        registered: false,
        tokens_revoked_at: None,
        last_used_at: None,
        last_used_from: None,
    };
    assert_eq!(made, Ok(expected.clone()));
    for (number, called) in [(2, "robot"), (1, "other"), (1, "robot")] {
        let again = store.create_account(&act(8), new_account(number, called, &[])).await;
        assert_eq!(again, Err(StoreError::AccountExists), "{number} {called}");
    }
    assert_eq!(store.account(&name("robot")).await, Ok(Some(expected)));
    assert_eq!(store.account(&name("other")).await, Ok(None));
    // A refused name took no id with it.
    create(&*store, 2, "other", &[]).await;
}

async fn names_are_compared_byte_by_byte(store: Arc<dyn AdminStore>) {
    let composed = "caf\u{e9}";
    let decomposed = "cafe\u{301}";
    let longest = "\u{1f916}".repeat(63) + "abc";
    let names =
        ["Robot", "robot", composed, decomposed, "Grüße aus 東京", "50%_off'--", longest.as_str()];
    for (number, called) in (1..).zip(names) {
        create(&*store, number, called, &[]).await;
    }
    for (number, called) in (1..).zip(names) {
        let found = store.account(&name(called)).await.expect("an answer");
        assert_eq!(found.map(|account| account.id), Some(id(number)), "{called}");
    }
    let mut sorted = names.map(str::to_owned);
    sorted.sort_unstable();
    assert_eq!(listed(&*store, &AccountFilter::default()).await, sorted);
}

async fn a_listing_is_in_order_and_in_pages(store: Arc<dyn AdminStore>) {
    for (number, called) in (1..).zip(["d", "b", "é", "a", "c"]) {
        create(&*store, number, called, &[]).await;
    }
    let filter = AccountFilter::default();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after: after.clone(), limit: 2 };
        let accounts = store.accounts(&filter, page).await.expect("a page");
        assert!(accounts.len() <= 2);
        let Some(last) = accounts.last() else { break };
        after = Some(last.name.clone());
        seen.extend(accounts.into_iter().map(|account| account.name.to_string()));
    }
    assert_eq!(seen, ["a", "b", "c", "d", "é"]);
    // The item to begin behind need not be there any more.
    let page = Page { after: Some(name("bb")), limit: 1 };
    let behind = store.accounts(&filter, page).await.expect("a page");
    assert_eq!(behind.first().map(|account| account.name.as_str()), Some("c"));
}

async fn a_page_has_between_one_and_a_thousand_items(store: Arc<dyn AdminStore>) {
    for number in 0..1001 {
        create(&*store, number, &format!("robot-{number:04}"), &[]).await;
    }
    for (limit, expected) in [(0, 1), (1, 1), (1000, 1000), (u32::MAX, 1000)] {
        let page = Page { after: None, limit };
        let accounts = store.accounts(&AccountFilter::default(), page).await.expect("a page");
        assert_eq!(accounts.len(), expected, "limit {limit}");
    }
}

async fn a_listing_shows_what_passes_its_filters(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "billing-1", &["ops"]).await;
    create(&*store, 2, "Billing-2", &["ops", "eu"]).await;
    create(&*store, 3, "mail_1%", &["eu"]).await;
    let filter = |group_name: Option<&str>, part: Option<&str>| AccountFilter {
        group: group_name.map(group),
        name_contains: part.map(str::to_owned),
        condition: None,
    };
    let expectations: [(_, &[&str]); 8] = [
        (filter(Some("ops"), None), &["Billing-2", "billing-1"]),
        (filter(Some("op"), None), &[]),
        (filter(None, Some("illing")), &["Billing-2", "billing-1"]),
        (filter(None, Some("billing")), &["billing-1"]),
        (filter(None, Some("_")), &["mail_1%"]),
        (filter(None, Some("%")), &["mail_1%"]),
        (filter(None, Some("")), &["Billing-2", "billing-1", "mail_1%"]),
        (filter(Some("eu"), Some("2")), &["Billing-2"]),
    ];
    for (filter, expected) in expectations {
        assert_eq!(listed(&*store, &filter).await, expected, "{filter:?}");
    }
}

async fn a_listing_shows_accounts_in_a_condition(store: Arc<dyn AdminStore>) {
    for (number, called) in (1..).zip(["disabled", "expired", "expiring", "late", "revoked"]) {
        create(&*store, number, called, &[]).await;
    }
    let disable = AccountChange::SetDisabled(true);
    store.change_account(&act(2), &name("disabled"), disable).await.expect("a change");
    let at = UnixTime::from_secs;
    for (called, expiry) in
        [("expired", 100), ("expiring", 101), ("expiring", 200), ("late", 201), ("revoked", 150)]
    {
        let expires_at = Some(at(expiry));
        let new = NewPublicKey { expires_at, ..new_key(&fresh_key()) };
        let print = new.key.fingerprints().openssh();
        store.add_public_key(&act(2), &name(called), new).await.expect("a key");
        if called == "revoked" {
            store.revoke_public_key(&act(3), &name(called), &print).await.expect("a change");
        }
    }
    let everyone = ["disabled", "expired", "expiring", "late", "revoked"];
    let expectations: [(_, &[&str]); 4] = [
        (AccountCondition::Disabled, &["disabled"]),
        (AccountCondition::KeyExpires(at(100), at(200)), &["expiring"]),
        // All of them were made at the instant 1.
        (AccountCondition::UnusedSince(at(1)), &[]),
        (AccountCondition::UnusedSince(at(2)), &everyone),
    ];
    for (condition, expected) in expectations {
        let filter = AccountFilter { condition: Some(condition), ..AccountFilter::default() };
        assert_eq!(listed(&*store, &filter).await, expected, "{condition:?}");
        let page = Page { after: None, limit: 1000 };
        let mut newest = store.newest_accounts(&filter, page).await.expect("a listing");
        newest.reverse();
        let newest: Vec<_> = newest.iter().map(|account| account.name.as_str()).collect();
        assert_eq!(newest, expected, "{condition:?}");
    }
}

async fn the_newest_accounts_come_first(store: Arc<dyn AdminStore>) {
    for (number, (called, made)) in (1..).zip([("b", 1), ("a", 3), ("c", 2), ("é", 2), ("d", 3)]) {
        let new = super::new_account(number, called, &[]);
        store.create_account(&act(made), new).await.expect("a new account");
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after: after.clone(), limit: 2 };
        let filter = AccountFilter::default();
        let accounts = store.newest_accounts(&filter, page).await.expect("a page");
        assert!(accounts.len() <= 2);
        let Some(last) = accounts.last() else { break };
        after = Some((last.created_at, last.name.clone()));
        seen.extend(accounts.into_iter().map(|account| account.name.to_string()));
    }
    assert_eq!(seen, ["d", "a", "é", "c", "b"]);
}

async fn groups_are_replaced_and_sorted(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &["a", "b"]).await;
    for (given, expected) in [(vec!["z", "b", "z"], vec!["b", "z"]), (vec![], vec![])] {
        let groups = given.into_iter().map(group).collect();
        let change = AccountChange::SetGroups(groups);
        let changed = store.change_account(&act(3), &name("robot"), change).await;
        let changed = changed.expect("a change").expect("the account");
        let expected: Vec<_> = expected.into_iter().map(group).collect();
        assert_eq!(changed.groups, expected);
        assert_eq!(store.account(&name("robot")).await, Ok(Some(changed)));
    }
}

async fn an_account_is_disabled_and_enabled(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &["a"]).await;
    for disabled in [true, true, false] {
        let change = AccountChange::SetDisabled(disabled);
        let changed = store.change_account(&act(3), &name("robot"), change).await;
        let changed = changed.expect("a change").expect("the account");
        assert_eq!((changed.disabled, &changed.groups), (disabled, &vec![group("a")]));
        assert_eq!(store.account(&name("robot")).await, Ok(Some(changed)));
    }
}

async fn a_deleted_account_takes_its_credentials_along(store: Arc<dyn AdminStore>) {
    let robot = name("robot");
    create(&*store, 1, "robot", &["a"]).await;
    let key = fresh_key();
    store.add_public_key(&act(2), &robot, new_key(&key)).await.expect("a key");
    store.add_jwks_endpoint(&act(2), &robot, "https://a.example/k").await.expect("an endpoint");
    assert_eq!(store.delete_account(&act(3), &robot).await, Ok(true));
    assert_eq!(store.delete_account(&act(3), &robot).await, Ok(false));
    assert_eq!(store.account(&robot).await, Ok(None));
    assert!(store.public_keys(&robot).await.expect("an answer").is_none());
    assert_eq!(store.jwks_endpoints(&robot).await, Ok(None));
    // Name and id are free again, and nothing of before comes back.
    let again = create(&*store, 1, "robot", &[]).await;
    assert_eq!(again.groups, []);
    let keys = store.public_keys(&robot).await.expect("an answer");
    assert!(keys.is_some_and(|keys| keys.is_empty()));
    assert_eq!(store.jwks_endpoints(&robot).await, Ok(Some(Vec::new())));
}

async fn an_unknown_account_is_not_an_error(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let nobody = name("nobody");
    assert_eq!(store.account(&nobody).await, Ok(None));
    let changes = [AccountChange::SetDisabled(true), AccountChange::SetGroups(vec![group("a")])];
    for change in changes {
        assert_eq!(store.change_account(&act(2), &nobody, change).await, Ok(None));
    }
    assert_eq!(store.delete_account(&act(2), &nobody).await, Ok(false));
    assert_eq!(listed(&*store, &AccountFilter::default()).await, ["robot"]);
}

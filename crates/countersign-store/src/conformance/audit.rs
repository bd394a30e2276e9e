//! The audit trail: a record of every act, with the state before and after.

use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_core::ports::{AccountChange, AdminStore, AuditFilter, AuditRecord, Page};
use serde_json::{Value, json};

use super::{act, cases, create, fresh_key, group, id, name, new_key, trail};

cases!(AdminStore:
    acts_upon_accounts_are_recorded,
    acts_upon_keys_are_recorded,
    acts_upon_endpoints_are_recorded,
    signing_in_is_recorded,
    what_was_not_done_is_not_recorded,
    the_trail_is_read_in_pages,
    the_latest_acts_come_first,
);

/// The record that was added last.
async fn latest(store: &dyn AdminStore) -> AuditRecord {
    trail(store).await.pop().expect("a record")
}

async fn acts_upon_accounts_are_recorded(store: Arc<dyn AdminStore>) {
    let robot = name("robot 7");
    let state = |groups: &[&str], disabled: bool| {
        json!({
            "id": id(1), "name": "robot 7", "groups": groups, "disabled": disabled,
            "created_at": 1_000_000, "registered": false, "tokens_revoked_at": null,
        })
    };
    create(&*store, 1, "robot 7", &["a"]).await;
    let record = latest(&*store).await;
    assert_eq!(record.actor, "olga");
    assert_eq!(record.at, 1_000_000);
    assert_eq!(record.from, act(1).from);
    assert_eq!(record.action, "account.create");
    assert_eq!(record.target, "account robot 7");
    assert_eq!((record.before, record.after), (Value::Null, state(&["a"], false)));

    let steps = [
        (AccountChange::SetDisabled(true), "account.disable", state(&["a"], true)),
        (AccountChange::SetDisabled(false), "account.enable", state(&["a"], false)),
        (AccountChange::SetGroups(vec![group("b")]), "account.set-groups", state(&["b"], false)),
    ];
    let mut before = state(&["a"], false);
    for (change, action, after) in steps {
        store.change_account(&act(2), &robot, change).await.expect("a change");
        let record = latest(&*store).await;
        assert_eq!(record.action, action);
        assert_eq!((record.before, &record.after), (before, &after));
        before = after;
    }

    store.delete_account(&act(3), &robot).await.expect("a change");
    let record = latest(&*store).await;
    assert_eq!(record.action, "account.delete");
    assert_eq!(record.before["groups"], json!(["b"]));
    assert_eq!(record.before["public_keys"], json!([]));
    assert_eq!(record.before["jwks_endpoints"], json!([]));
    assert_eq!(record.after, Value::Null);
}

async fn acts_upon_keys_are_recorded(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let (robot, key) = (name("robot"), fresh_key());
    let print = key.fingerprints().openssh();
    let state = |expires_at: Option<i64>, revoked_at: Option<i64>| {
        json!({
            "fingerprint": print, "type": key.key_type().to_string(), "comment": "laptop",
            "created_at": 2_000_000, "expires_at": expires_at, "revoked_at": revoked_at,
        })
    };
    let target = format!("key {print} of account robot");
    let check = async |action: &str, before: Value, after: Value| {
        let record = latest(&*store).await;
        assert_eq!((record.action.as_str(), &record.target), (action, &target));
        assert_eq!((record.before, record.after), (before, after), "{action}");
    };

    store.add_public_key(&act(2), &robot, new_key(&key)).await.expect("a key");
    check("key.add", Value::Null, state(None, None)).await;
    store.add_public_key(&act(3), &robot, new_key(&key)).await.expect("the same key");
    check("key.add", state(None, None), state(None, None)).await;
    let expiry = Some(UnixTime::from_secs(9));
    store.expire_public_key(&act(4), &robot, &print, expiry).await.expect("a change");
    check("key.expire", state(None, None), state(Some(9_000_000), None)).await;
    store.revoke_public_key(&act(5), &robot, &print).await.expect("a change");
    let revoked = state(Some(9_000_000), Some(5_000_000));
    check("key.revoke", state(Some(9_000_000), None), revoked.clone()).await;

    store.delete_account(&act(6), &robot).await.expect("a change");
    assert_eq!(latest(&*store).await.before["public_keys"], json!([revoked]));
}

async fn acts_upon_endpoints_are_recorded(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let (robot, url) = (name("robot"), "https://keys.example/");
    let state = json!({ "url": url, "created_at": 2_000_000 });
    store.add_jwks_endpoint(&act(2), &robot, url).await.expect("an endpoint");
    let record = latest(&*store).await;
    assert_eq!(record.action, "jwks-endpoint.add");
    assert_eq!(record.target, "JWKS endpoint https://keys.example/ of account robot");
    assert_eq!((record.before, &record.after), (Value::Null, &state));
    store.remove_jwks_endpoint(&act(3), &robot, url).await.expect("a change");
    let record = latest(&*store).await;
    assert_eq!(record.action, "jwks-endpoint.remove");
    assert_eq!((&record.before, record.after), (&state, Value::Null));
}

async fn signing_in_is_recorded(store: Arc<dyn AdminStore>) {
    let key = fresh_key();
    store.signed_in(&act(1), &key).await.expect("a row");
    let record = latest(&*store).await;
    assert_eq!((record.action.as_str(), record.target.as_str()), ("console.sign-in", "console"));
    assert_eq!((record.actor.as_str(), record.from), ("olga", act(1).from));
    let after = json!({ "fingerprint": key.fingerprints().openssh() });
    assert_eq!((record.before, record.after), (Value::Null, after));
}

async fn what_was_not_done_is_not_recorded(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let (robot, nobody, key) = (name("robot"), name("nobody"), fresh_key());
    let print = key.fingerprints().openssh();
    let before = trail(&*store).await;
    let exists = store.create_account(&act(2), super::new_account(1, "other", &[])).await;
    exists.expect_err("the id is taken");
    let change = AccountChange::SetDisabled(true);
    store.change_account(&act(2), &nobody, change).await.expect("an answer");
    store.delete_account(&act(2), &nobody).await.expect("an answer");
    store.add_public_key(&act(2), &nobody, new_key(&key)).await.expect_err("no such account");
    store.revoke_public_key(&act(2), &robot, &print).await.expect("an answer");
    store.expire_public_key(&act(2), &robot, &print, None).await.expect("an answer");
    store.add_jwks_endpoint(&act(2), &nobody, "https://x/").await.expect_err("no such account");
    store.remove_jwks_endpoint(&act(2), &robot, "https://x/").await.expect("an answer");
    assert_eq!(trail(&*store).await, before);
}

async fn the_trail_is_read_in_pages(store: Arc<dyn AdminStore>) {
    for number in 1..=5 {
        create(&*store, number, &format!("robot-{number}"), &[]).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let records =
            store.audit(&AuditFilter::default(), Page { after, limit: 2 }).await.expect("a page");
        assert!(records.len() <= 2);
        let Some(last) = records.last() else { break };
        assert!(after.is_none_or(|after| after < records[0].sequence));
        after = Some(last.sequence);
        seen.extend(records);
    }
    let targets: Vec<_> = seen.iter().map(|record| record.target.as_str()).collect();
    let expected: Vec<_> = (1..=5).map(|number| format!("account robot-{number}")).collect();
    assert_eq!(targets, expected);
    assert_eq!(seen, trail(&*store).await);
}

async fn the_latest_acts_come_first(store: Arc<dyn AdminStore>) {
    for number in 1..=5 {
        create(&*store, number, &format!("robot-{number}"), &[]).await;
    }
    let by = |actor: &str| countersign_core::ports::Act { actor: actor.to_owned(), ..act(2) };
    let change = AccountChange::SetDisabled(true);
    store.change_account(&by("otto"), &name("robot-4"), change).await.expect("a change");

    let mut backwards = trail(&*store).await;
    backwards.reverse();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit: 4 };
        let records = store.latest_audit(&AuditFilter::default(), page).await.expect("a page");
        let Some(last) = records.last() else { break };
        after = Some(last.sequence);
        seen.extend(records);
    }
    assert_eq!(seen, backwards);

    let text = |text: &str| Some(text.to_owned());
    let none = AuditFilter::default;
    for (filter, expected) in [
        (AuditFilter { actor: text("otto"), ..none() }, 1),
        (AuditFilter { actor: text("ott"), ..none() }, 0),
        (AuditFilter { action: text("account.create"), ..none() }, 5),
        (AuditFilter { target_contains: text("robot-4"), ..none() }, 2),
        (AuditFilter { target_contains: text("%"), ..none() }, 0),
        (AuditFilter { actor: text("olga"), target_contains: text("4"), ..none() }, 1),
        (
            AuditFilter {
                actor: text(""),
                action: text(""),
                target_contains: text(""),
                since: None,
            },
            6,
        ),
    ] {
        let page = Page { after: None, limit: 100 };
        let found = store.latest_audit(&filter, page).await.expect("a page");
        assert_eq!(found.len(), expected, "{filter:?}");
        let page = Page { after: None, limit: 100 };
        let mut forwards = store.audit(&filter, page).await.expect("a page");
        forwards.reverse();
        assert_eq!(forwards, found, "{filter:?}");
    }

    let last = &backwards[0];
    for (since, expected) in [(last.at, 1), (last.at + 1, 0)] {
        let since = Some(countersign_core::UnixTime::from_micros(since));
        let filter = AuditFilter { actor: text("otto"), since, ..none() };
        let page = Page { after: None, limit: 100 };
        let found = store.audit(&filter, page.clone()).await.expect("a page");
        assert_eq!(found.len(), expected, "{filter:?}");
        assert_eq!(store.latest_audit(&filter, page).await.expect("a page"), found);
    }
}

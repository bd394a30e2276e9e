//! What a directory, a first start and the fetcher of JWKS endpoints need.

use std::sync::Arc;

use countersign_core::ports::{AccountChange, Page, StoreError};
use countersign_core::{ADMIN_GROUP, UnixTime};
use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    act, address, cases, create, create_admin, fresh_key, group, id, name, new_account, new_key,
    trail,
};
use crate::registry::{CredentialUse, RegistryStore, StoredAccount, UsedCredential};

cases!(RegistryStore:
    an_account_is_loaded_with_its_credentials,
    accounts_are_loaded_in_pages,
    the_latest_use_is_remembered,
    uses_of_what_is_gone_are_left_out,
    the_instance_id_is_made_once,
    the_first_account_is_made_once,
    recovery_makes_an_admin,
    recovery_repairs_an_admin,
    recovery_is_refused_with_a_revoked_key,
);

/// What of a stored account can be compared.
fn summary(stored: &StoredAccount) -> (String, Vec<String>, Vec<String>) {
    let prints = stored.keys.iter().map(|key| key.key.fingerprints().openssh()).collect();
    (stored.account.name.to_string(), prints, stored.endpoints.clone())
}

async fn an_account_is_loaded_with_its_credentials(store: Arc<dyn RegistryStore>) {
    let robot = name("robot");
    assert!(store.load(&robot).await.expect("an answer").is_none());
    create(&*store, 1, "robot", &["a"]).await;
    let keys = [fresh_key(), fresh_key()];
    for key in &keys {
        store.add_public_key(&act(2), &robot, new_key(key)).await.expect("a key");
    }
    let print = keys[0].fingerprints().openssh();
    store.revoke_public_key(&act(3), &robot, &print).await.expect("a change");
    for url in ["https://z.example/", "https://a.example/"] {
        store.add_jwks_endpoint(&act(2), &robot, url).await.expect("an endpoint");
    }
    create(&*store, 2, "other", &["b"]).await;

    let loaded = store.load(&robot).await.expect("an answer").expect("the account");
    assert_eq!(Ok(Some(loaded.account.clone())), store.account(&robot).await);
    let prints = keys.map(|key| key.fingerprints().openssh()).to_vec();
    let urls = vec!["https://z.example/".to_owned(), "https://a.example/".to_owned()];
    assert_eq!(summary(&loaded), ("robot".to_owned(), prints, urls));
    let revoked: Vec<_> = loaded.keys.iter().map(|key| key.revoked_at.is_some()).collect();
    assert_eq!(revoked, [true, false]);
}

async fn accounts_are_loaded_in_pages(store: Arc<dyn RegistryStore>) {
    let mut expected = Vec::new();
    for number in 0..7_u128 {
        let called = format!("robot-{number}");
        create(&*store, number, &called, &["a"]).await;
        for _ in 0..number % 3 {
            store
                .add_public_key(&act(2), &name(&called), new_key(&fresh_key()))
                .await
                .expect("key");
        }
        if number % 2 == 0 {
            let url = format!("https://{number}.example/");
            store.add_jwks_endpoint(&act(2), &name(&called), &url).await.expect("an endpoint");
        }
        let stored = store.load(&name(&called)).await.expect("an answer").expect("the account");
        expected.push(summary(&stored));
    }
    for limit in [1, 3, 7, 1000] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = Page { after, limit };
            let loaded = store.load_page(page).await.expect("a page");
            let Some(last) = loaded.last() else { break };
            after = Some(last.account.name.clone());
            seen.extend(loaded.iter().map(summary));
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

async fn the_latest_use_is_remembered(store: Arc<dyn RegistryStore>) {
    create(&*store, 1, "robot", &[]).await;
    create(&*store, 2, "idle", &[]).await;
    let (robot, keys) = (name("robot"), [fresh_key(), fresh_key()]);
    for key in &keys {
        store.add_public_key(&act(2), &robot, new_key(key)).await.expect("a key");
    }
    let used = |key: usize, seconds: i64, from| CredentialUse {
        account: id(1),
        credential: UsedCredential::PublicKey(*keys[key].fingerprints()),
        at: UnixTime::from_secs(seconds),
        from,
    };
    let seen = async || {
        let keys = store.public_keys(&robot).await.expect("an answer").expect("the account");
        let account = store.account(&robot).await.expect("an answer").expect("the account");
        let of_keys = keys.iter().map(|key| (key.last_used_at, key.last_used_from));
        of_keys.chain([(account.last_used_at, account.last_used_from)]).collect::<Vec<_>>()
    };
    let at = |seconds, from| (Some(UnixTime::from_secs(seconds)), from);

    store.record_last_use(&[]).await.expect("nothing to do");
    assert_eq!(seen().await, [(None, None); 3]);
    let batch = [used(0, 10, Some(address(1))), used(1, 30, Some(address(2)))];
    store.record_last_use(&batch).await.expect("a batch");
    assert_eq!(
        seen().await,
        [at(10, Some(address(1))), at(30, Some(address(2))), at(30, Some(address(2)))]
    );
    // What comes late changes nothing; the same key from nowhere in particular does.
    let batch = [used(1, 20, Some(address(3))), used(0, 25, None)];
    store.record_last_use(&batch).await.expect("a batch");
    assert_eq!(seen().await, [at(25, None), at(30, Some(address(2))), at(30, Some(address(2)))]);
    let idle = store.account(&name("idle")).await.expect("an answer").expect("the account");
    assert_eq!(idle.last_used_at, None);
}

async fn uses_of_what_is_gone_are_left_out(store: Arc<dyn RegistryStore>) {
    create(&*store, 1, "robot", &[]).await;
    let key = fresh_key();
    store.add_public_key(&act(2), &name("robot"), new_key(&key)).await.expect("a key");
    let at = UnixTime::from_secs(9);
    let used = |account, key| {
        let credential = UsedCredential::PublicKey(key);
        CredentialUse { account: id(account), credential, at, from: Some(address(1)) }
    };
    // A key from a JWKS endpoint has no record, but its account was used.
    let batch = [used(77, *key.fingerprints()), used(1, *fresh_key().fingerprints())];
    store.record_last_use(&batch).await.expect("a batch");
    let keys = store.public_keys(&name("robot")).await.expect("an answer").expect("the account");
    assert_eq!(keys[0].last_used_at, None);
    let account = store.account(&name("robot")).await.expect("an answer").expect("the account");
    assert_eq!((account.last_used_at, account.last_used_from), (Some(at), Some(address(1))));
}

async fn the_instance_id_is_made_once(store: Arc<dyn RegistryStore>) {
    let mut tasks = JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.instance_id(Uuid::from_u128(number)).await });
    }
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(|answer| answer.is_ok() && *answer == answers[0]), "{answers:?}");
    assert_eq!(store.instance_id(Uuid::from_u128(99)).await, answers[0]);
}

async fn the_first_account_is_made_once(store: Arc<dyn RegistryStore>) {
    let mut tasks = JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let account = new_account(number, &format!("admin-{number}"), &["ops"]);
            store.bootstrap_admin(&act(1), account, new_key(&fresh_key())).await
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Ok(true)).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Ok(false)).count(), 15);

    let page = Page { after: None, limit: 10 };
    let stored = store.load_page(page).await.expect("a page");
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].account.groups, [group(ADMIN_GROUP), group("ops")]);
    assert_eq!(stored[0].keys.len(), 1);
    let records = trail(&*store).await;
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].action.as_str(), &records[0].before), ("admin.bootstrap", &Value::Null));
    assert_eq!(records[0].after["public_keys"].as_array().map(Vec::len), Some(1));
}

async fn recovery_makes_an_admin(store: Arc<dyn RegistryStore>) {
    create(&*store, 1, "robot", &[]).await;
    let key = fresh_key();
    let recovered = store.recover_admin(&act(5), new_account(2, "root", &[]), new_key(&key)).await;
    let recovered = recovered.expect("an admin");
    assert_eq!((recovered.id, recovered.disabled), (id(2), false));
    assert_eq!(recovered.groups, [group(ADMIN_GROUP)]);
    let stored = store.load(&name("root")).await.expect("an answer").expect("the account");
    assert_eq!(stored.keys[0].key, key);
    let record = trail(&*store).await.pop().expect("a record");
    assert_eq!((record.action.as_str(), record.before), ("admin.recover", Value::Null));

    let taken = store.recover_admin(&act(6), new_account(1, "new", &[]), new_key(&key)).await;
    assert_eq!(taken, Err(StoreError::AccountExists));
}

async fn recovery_repairs_an_admin(store: Arc<dyn RegistryStore>) {
    let root = name("root");
    let key = create_admin(&*store, 1, "root").await;
    create_admin(&*store, 2, "second").await;
    let groups = AccountChange::SetGroups(vec![group("ops")]);
    for change in [groups, AccountChange::SetDisabled(true)] {
        store.change_account(&act(3), &root, change).await.expect("a change");
    }
    let (print, past) = (key.fingerprints().openssh(), Some(UnixTime::from_secs(3)));
    store.expire_public_key(&act(4), &root, &print, past).await.expect("a change");

    let recovered = store.recover_admin(&act(5), new_account(9, "root", &[]), new_key(&key)).await;
    let recovered = recovered.expect("an admin");
    assert_eq!((recovered.id, recovered.disabled), (id(1), false));
    assert_eq!(recovered.groups, [group(ADMIN_GROUP), group("ops")]);
    let stored = store.load(&root).await.expect("an answer").expect("the account");
    assert_eq!(stored.keys.len(), 1);
    assert_eq!(stored.keys[0].expires_at, None);
    let record = trail(&*store).await.pop().expect("a record");
    assert_eq!(
        (&record.before["disabled"], &record.after["disabled"]),
        (&true.into(), &false.into())
    );
}

async fn recovery_is_refused_with_a_revoked_key(store: Arc<dyn RegistryStore>) {
    let root = name("root");
    let key = create_admin(&*store, 1, "root").await;
    create_admin(&*store, 2, "second").await;
    let print = key.fingerprints().openssh();
    store.revoke_public_key(&act(3), &root, &print).await.expect("a change");
    store.change_account(&act(3), &root, AccountChange::SetDisabled(true)).await.expect("a change");
    let before = trail(&*store).await;
    let refused = store.recover_admin(&act(5), new_account(9, "root", &[]), new_key(&key)).await;
    assert_eq!(refused, Err(StoreError::KeyRevoked));
    let account = store.account(&root).await.expect("an answer").expect("the account");
    assert!(account.disabled, "nothing was changed");
    assert_eq!(trail(&*store).await, before);
}

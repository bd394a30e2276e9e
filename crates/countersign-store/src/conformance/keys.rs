//! Public keys: registered once, named by three fingerprints, revoked for good.

use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_core::ports::{AdminStore, NewPublicKey, StoreError};

use super::{act, cases, create, fresh_key, name, new_key};

cases!(AdminStore:
    a_key_is_stored_as_it_was_given,
    the_same_key_again_is_the_same_key,
    keys_are_listed_in_the_order_they_were_registered,
    any_of_three_fingerprints_names_a_key,
    an_expiry_is_set_and_cleared,
    a_revoked_key_stays_revoked,
    two_accounts_may_have_the_same_key,
    an_unknown_account_has_no_keys,
);

async fn a_key_is_stored_as_it_was_given(store: Arc<dyn AdminStore>) {
    let account = create(&*store, 1, "robot", &[]).await;
    let key = fresh_key();
    let comment = "Grüße, 'drop table'; --".to_owned();
    let expires_at = Some(UnixTime::from_micros(90_000_001));
    let new = NewPublicKey { key: key.clone(), comment: comment.clone(), expires_at };
    let added = store.add_public_key(&act(5), &account.name, new).await.expect("a key");
    let listed = store.public_keys(&account.name).await.expect("an answer").expect("the account");
    assert_eq!(listed.len(), 1);
    for record in [&added, &listed[0]] {
        assert_eq!(record.account, account.id);
        assert_eq!(record.key, key);
        assert_eq!(record.key.fingerprints(), key.fingerprints());
        assert_eq!(record.comment, comment);
        assert_eq!(record.created_at, UnixTime::from_secs(5));
        assert_eq!(record.expires_at, expires_at);
        assert_eq!(record.revoked_at, None);
        assert_eq!((record.last_used_at, record.last_used_from), (None, None));
    }
}

async fn the_same_key_again_is_the_same_key(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let (robot, key) = (name("robot"), fresh_key());
    store.add_public_key(&act(2), &robot, new_key(&key)).await.expect("a key");
    let expires_at = Some(UnixTime::from_secs(99));
    let again = NewPublicKey { key: key.clone(), comment: "other".to_owned(), expires_at };
    let again = store.add_public_key(&act(3), &robot, again).await.expect("the same key");
    assert_eq!(again.comment, "laptop");
    assert_eq!(again.created_at, UnixTime::from_secs(2));
    assert_eq!(again.expires_at, None);
    let keys = store.public_keys(&robot).await.expect("an answer").expect("the account");
    assert_eq!(keys.len(), 1);
}

async fn keys_are_listed_in_the_order_they_were_registered(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let robot = name("robot");
    let keys: Vec<_> = (0..8).map(|_| fresh_key()).collect();
    for key in &keys {
        store.add_public_key(&act(2), &robot, new_key(key)).await.expect("a key");
    }
    let listed = store.public_keys(&robot).await.expect("an answer").expect("the account");
    let listed: Vec<_> = listed.into_iter().map(|record| record.key).collect();
    assert_eq!(listed, keys);
}

async fn any_of_three_fingerprints_names_a_key(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let (robot, key) = (name("robot"), fresh_key());
    store.add_public_key(&act(2), &robot, new_key(&key)).await.expect("a key");
    let print = key.fingerprints();
    let names = [print.openssh(), print.jwk_thumbprint(), print.spki_pem_sha256()];
    for (seconds, fingerprint) in (100..).zip(&names) {
        let at = Some(UnixTime::from_secs(seconds));
        let changed = store.expire_public_key(&act(3), &robot, fingerprint, at).await;
        let changed = changed.expect("a change").expect("the key");
        assert_eq!(changed.expires_at, at, "{fingerprint}");
    }
    let other = fresh_key().fingerprints().openssh();
    for unknown in [other.as_str(), "", "SHA256:", &names[2].to_uppercase(), "%"] {
        let found = store.revoke_public_key(&act(3), &robot, unknown).await;
        assert!(found.expect("an answer").is_none(), "{unknown:?}");
        let found = store.expire_public_key(&act(3), &robot, unknown, None).await;
        assert!(found.expect("an answer").is_none(), "{unknown:?}");
    }
    let revoked = store.revoke_public_key(&act(4), &robot, &names[1]).await;
    assert!(revoked.expect("a change").is_some());
}

async fn an_expiry_is_set_and_cleared(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let (robot, key) = (name("robot"), fresh_key());
    store.add_public_key(&act(2), &robot, new_key(&key)).await.expect("a key");
    let print = key.fingerprints().openssh();
    for expires_at in [Some(UnixTime::from_secs(50)), Some(UnixTime::from_secs(1)), None] {
        let changed = store.expire_public_key(&act(10), &robot, &print, expires_at).await;
        assert_eq!(changed.expect("a change").expect("the key").expires_at, expires_at);
        let keys = store.public_keys(&robot).await.expect("an answer").expect("the account");
        assert_eq!(keys[0].expires_at, expires_at);
    }
}

async fn a_revoked_key_stays_revoked(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let (robot, key) = (name("robot"), fresh_key());
    store.add_public_key(&act(2), &robot, new_key(&key)).await.expect("a key");
    let print = key.fingerprints().openssh();
    for seconds in [10, 20] {
        let revoked = store.revoke_public_key(&act(seconds), &robot, &print).await;
        let revoked = revoked.expect("a change").expect("the key");
        assert_eq!(revoked.revoked_at, Some(UnixTime::from_secs(10)));
    }
    let again = store.add_public_key(&act(30), &robot, new_key(&key)).await;
    assert_eq!(again.err(), Some(StoreError::KeyRevoked));
    let expired = store.expire_public_key(&act(30), &robot, &print, None).await;
    assert_eq!(expired.err(), Some(StoreError::KeyRevoked));
    let keys = store.public_keys(&robot).await.expect("an answer").expect("the account");
    assert_eq!(keys[0].revoked_at, Some(UnixTime::from_secs(10)));
    assert_eq!(keys.len(), 1);
}

async fn two_accounts_may_have_the_same_key(store: Arc<dyn AdminStore>) {
    let key = fresh_key();
    for (number, called) in [(1, "a"), (2, "b")] {
        create(&*store, number, called, &[]).await;
        store.add_public_key(&act(2), &name(called), new_key(&key)).await.expect("a key");
    }
    let print = key.fingerprints().openssh();
    let revoked = store.revoke_public_key(&act(3), &name("a"), &print).await;
    assert!(revoked.expect("a change").is_some());
    let keys = store.public_keys(&name("b")).await.expect("an answer").expect("the account");
    assert_eq!(keys[0].revoked_at, None, "b's key is b's");
}

async fn an_unknown_account_has_no_keys(store: Arc<dyn AdminStore>) {
    let (nobody, key) = (name("nobody"), fresh_key());
    let added = store.add_public_key(&act(2), &nobody, new_key(&key)).await;
    assert_eq!(added.err(), Some(StoreError::NoSuchAccount));
    let print = key.fingerprints().openssh();
    assert!(store.public_keys(&nobody).await.expect("an answer").is_none());
    let revoked = store.revoke_public_key(&act(2), &nobody, &print).await;
    assert!(revoked.expect("an answer").is_none());
    let expired = store.expire_public_key(&act(2), &nobody, &print, None).await;
    assert!(expired.expect("an answer").is_none());
}

//! The last account that can administrate stays one: it is enabled, in the group
//! `admin`, and has a key that is neither revoked nor expired.

use std::sync::Arc;

use countersign_core::ports::{AccountChange, Act, AdminStore, NewPublicKey, StoreError};
use countersign_core::{PublicKey, UnixTime};

use super::{act, cases, create, create_admin, fresh_key, group, name, new_key, trail};

cases!(AdminStore:
    the_last_admin_stays_in_every_way,
    with_another_admin_each_way_is_free,
    an_account_that_cannot_administrate_does_not_count,
    with_another_key_one_can_go,
    the_last_key_does_not_expire_in_the_future_either,
    other_changes_to_the_last_admin_are_free,
    without_any_admin_nothing_is_in_the_way,
);

/// The ways in which an account stops being able to administrate.
#[derive(Clone, Copy, Debug)]
enum Way {
    Disable,
    Delete,
    LeaveGroup,
    RevokeKey,
    ExpireKey,
}

const WAYS: [Way; 5] = [Way::Disable, Way::Delete, Way::LeaveGroup, Way::RevokeKey, Way::ExpireKey];

/// Takes a way; whether there was anything to change.
async fn take(
    store: &dyn AdminStore,
    way: Way,
    act: &Act,
    called: &str,
    key: &PublicKey,
) -> Result<bool, StoreError> {
    let (account, print) = (name(called), key.fingerprints().openssh());
    let change = |change| store.change_account(act, &account, change);
    match way {
        Way::Disable => {
            change(AccountChange::SetDisabled(true)).await.map(|account| account.is_some())
        }
        Way::LeaveGroup => {
            let groups = AccountChange::SetGroups(vec![group("administrators")]);
            change(groups).await.map(|account| account.is_some())
        }
        Way::Delete => store.delete_account(act, &account).await,
        Way::RevokeKey => {
            store.revoke_public_key(act, &account, &print).await.map(|key| key.is_some())
        }
        Way::ExpireKey => store
            .expire_public_key(act, &account, &print, Some(act.at))
            .await
            .map(|key| key.is_some()),
    }
}

async fn the_last_admin_stays_in_every_way(store: Arc<dyn AdminStore>) {
    let key = create_admin(&*store, 1, "root").await;
    create(&*store, 2, "robot", &["ops"]).await;
    let before = (store.account(&name("root")).await, trail(&*store).await);
    for way in WAYS {
        let refused = take(&*store, way, &act(10), "root", &key).await;
        assert_eq!(refused, Err(StoreError::LastAdmin), "{way:?}");
    }
    let after = (store.account(&name("root")).await, trail(&*store).await);
    assert_eq!(after, before, "a refused act changes nothing and leaves no record");
    let keys = store.public_keys(&name("root")).await.expect("an answer").expect("the account");
    assert_eq!((keys[0].revoked_at, keys[0].expires_at), (None, None));
}

async fn with_another_admin_each_way_is_free(store: Arc<dyn AdminStore>) {
    create_admin(&*store, 1, "root").await;
    for (number, way) in (2..).zip(WAYS) {
        let key = create_admin(&*store, number, "second").await;
        assert_eq!(take(&*store, way, &act(10), "second", &key).await, Ok(true), "{way:?}");
        store.delete_account(&act(11), &name("second")).await.expect("an answer");
    }
}

async fn an_account_that_cannot_administrate_does_not_count(store: Arc<dyn AdminStore>) {
    let key = create_admin(&*store, 1, "root").await;
    for (number, way) in (2..).zip(WAYS) {
        let called = format!("former-{number}");
        let other = create_admin(&*store, number, &called).await;
        assert_eq!(take(&*store, way, &act(10), &called, &other).await, Ok(true), "{way:?}");
        let refused = take(&*store, Way::Disable, &act(11), "root", &key).await;
        assert_eq!(refused, Err(StoreError::LastAdmin), "after {way:?}");
    }
    create(&*store, 20, "without-key", &["admin"]).await;
    let refused = take(&*store, Way::Delete, &act(11), "root", &key).await;
    assert_eq!(refused, Err(StoreError::LastAdmin));
}

async fn with_another_key_one_can_go(store: Arc<dyn AdminStore>) {
    let first = create_admin(&*store, 1, "root").await;
    let second = fresh_key();
    store.add_public_key(&act(3), &name("root"), new_key(&second)).await.expect("a key");
    assert_eq!(take(&*store, Way::ExpireKey, &act(10), "root", &first).await, Ok(true));
    for way in WAYS {
        let refused = take(&*store, way, &act(11), "root", &second).await;
        assert_eq!(refused, Err(StoreError::LastAdmin), "{way:?}");
    }
    // The expired key is nobody's last one any more.
    assert_eq!(take(&*store, Way::RevokeKey, &act(12), "root", &first).await, Ok(true));
}

async fn the_last_key_does_not_expire_in_the_future_either(store: Arc<dyn AdminStore>) {
    let key = create_admin(&*store, 1, "root").await;
    let print = key.fingerprints().openssh();
    let expire = async |seconds, at: i64| {
        let at = Some(UnixTime::from_secs(at));
        store.expire_public_key(&act(seconds), &name("root"), &print, at).await.map(|_| ())
    };
    assert_eq!(expire(10, 11).await, Err(StoreError::LastAdmin));
    assert_eq!(expire(10, 10).await, Err(StoreError::LastAdmin));

    // A second key that expires first is no help, one that outlives it is.
    let other = fresh_key();
    let new = NewPublicKey { expires_at: Some(UnixTime::from_secs(20)), ..new_key(&other) };
    store.add_public_key(&act(10), &name("root"), new).await.expect("a key");
    assert_eq!(expire(10, 20).await, Err(StoreError::LastAdmin));
    assert_eq!(expire(10, 19).await, Ok(()));
    // The instant of expiry is the first at which a key is refused.
    assert_eq!(expire(10, 10).await, Ok(()));
}

async fn other_changes_to_the_last_admin_are_free(store: Arc<dyn AdminStore>) {
    create_admin(&*store, 1, "root").await;
    let changes = [
        AccountChange::SetDisabled(false),
        AccountChange::SetGroups(vec![group("ops"), group("admin")]),
    ];
    for change in changes {
        let account = store.change_account(&act(5), &name("root"), change).await;
        assert!(account.expect("a change").is_some());
    }
}

async fn without_any_admin_nothing_is_in_the_way(store: Arc<dyn AdminStore>) {
    for (number, way) in (1..).zip(WAYS) {
        let called = format!("robot-{number}");
        create(&*store, number, &called, &["ops"]).await;
        let key = fresh_key();
        store.add_public_key(&act(2), &name(&called), new_key(&key)).await.expect("a key");
        assert_eq!(take(&*store, way, &act(3), &called, &key).await, Ok(true), "{way:?}");
    }
}

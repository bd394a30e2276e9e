//! A change holds from the moment it is confirmed, and when in doubt the store
//! is asked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_core::UnixTime;
use countersign_core::ports::{AccountChange, AdminStore, Directory, StoreError};
use tokio::sync::Semaphore;

use super::{Flaky, act, complete, create, find, name, until};

#[tokio::test(start_paused = true)]
async fn each_change_is_seen_by_the_next_lookup() {
    let store = Arc::new(Flaky::new());
    let directory = complete(&store).await;
    assert!(find(&directory, "robot").await.is_none());
    let key = create(&directory, 1, "robot").await;
    let (robot, print) = (name("robot"), key.fingerprints().openssh());
    assert_eq!(find(&directory, "robot").await.expect("the account").keys[0].key, key);

    let expiry = Some(UnixTime::from_secs(50));
    directory.expire_public_key(&act(2), &robot, &print, expiry).await.expect("a change");
    assert_eq!(find(&directory, "robot").await.expect("the account").keys[0].expires_at, expiry);
    directory.revoke_public_key(&act(2), &robot, &print).await.expect("a change");
    assert!(find(&directory, "robot").await.expect("the account").keys[0].revoked);
    for disabled in [true, false] {
        let change = AccountChange::SetDisabled(disabled);
        directory.change_account(&act(2), &robot, change).await.expect("a change");
        assert_eq!(find(&directory, "robot").await.expect("the account").disabled, disabled);
    }
    directory.delete_account(&act(2), &robot).await.expect("a change");
    assert!(find(&directory, "robot").await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_be_read_again_is_not_served_from_memory() {
    let store = Arc::new(Flaky::new());
    create(&*store, 1, "robot").await;
    let directory = complete(&store).await;
    store.cannot_load.store(true, Ordering::SeqCst);
    let disable = AccountChange::SetDisabled(true);
    let changed = directory.change_account(&act(2), &name("robot"), disable).await;
    assert!(changed.expect("it was made").is_some());
    directory.find(&name("robot")).await.expect_err("what is in memory is out of date");

    store.cannot_load.store(false, Ordering::SeqCst);
    assert!(find(&directory, "robot").await.expect("the account").disabled);
    let from_memory = async || {
        let before = store.loads();
        let found = find(&directory, "robot").await;
        assert!(found.expect("the account").disabled);
        store.loads() == before
    };
    until("the account is in memory again", from_memory).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_looked_for() {
    let store = Arc::new(Flaky::new());
    create(&*store, 1, "robot").await;
    let directory = complete(&store).await;
    store.loses_answers.store(true, Ordering::SeqCst);
    let disable = AccountChange::SetDisabled(true);
    let changed = directory.change_account(&act(2), &name("robot"), disable).await;
    assert!(matches!(changed, Err(StoreError::Unavailable(_))), "{changed:?}");
    assert!(find(&directory, "robot").await.expect("the account").disabled);
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_on_when_its_caller_goes_away() {
    let store = Arc::new(Flaky { changes: Semaphore::new(0), ..Flaky::new() });
    create(&*store, 1, "robot").await;
    let directory = complete(&store).await;
    let caller = tokio::spawn({
        let directory = directory.clone();
        async move {
            let disable = AccountChange::SetDisabled(true);
            directory.change_account(&act(2), &name("robot"), disable).await
        }
    });
    let under_way = async || {
        let before = store.loads();
        find(&directory, "robot").await;
        store.loads() > before
    };
    until("the account is in doubt", under_way).await;
    caller.abort();
    assert!(caller.await.is_err_and(|error| error.is_cancelled()));

    store.changes.add_permits(1);
    directory.close().await.expect("all is done");
    let before = store.loads();
    assert!(find(&directory, "robot").await.expect("the account").disabled);
    assert_eq!(store.loads(), before, "the map is up to date");
}

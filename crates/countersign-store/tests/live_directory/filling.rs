//! While the map is being filled.

use std::sync::Arc;

use countersign_core::ports::{AccountChange, AdminStore};
use countersign_store::{Durability, LiveDirectory, Progress, RegistryStore, SqlStore, SqliteFile};
use tokio::sync::Semaphore;

use super::{Flaky, act, complete, create, find, name};

#[tokio::test(start_paused = true)]
async fn every_lookup_asks_the_store_until_the_map_is_complete() {
    let store = Arc::new(Flaky { pages: Semaphore::new(0), ..Flaky::new() });
    create(&*store, 1, "robot").await;
    let directory = LiveDirectory::start(Arc::clone(&store) as Arc<_>, None);
    assert_eq!(directory.progress(), Progress::Loading);
    assert!(find(&directory, "robot").await.is_some());
    assert!(find(&directory, "nobody").await.is_none());
    assert_eq!(store.loads(), 2, "hit and miss alike");

    store.pages.add_permits(2);
    directory.completed().await;
    assert_eq!(directory.progress(), Progress::Complete);
    assert!(find(&directory, "robot").await.is_some());
    assert!(find(&directory, "nobody").await.is_none());
    assert_eq!(store.loads(), 2, "answered from memory");
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_change_does_not_undo_it() {
    let store = Arc::new(Flaky { pages: Semaphore::new(0), ..Flaky::new() });
    for (number, called) in [(1, "disabled"), (2, "deleted"), (3, "untouched")] {
        create(&*store, number, called).await;
    }
    let directory = LiveDirectory::start(Arc::clone(&store) as Arc<_>, None);
    // The page has been read, and lies there.
    tokio::task::yield_now().await;
    let disable = AccountChange::SetDisabled(true);
    directory.change_account(&act(2), &name("disabled"), disable).await.expect("a change");
    directory.delete_account(&act(2), &name("deleted")).await.expect("a change");
    create(&directory, 4, "added").await;

    store.pages.add_permits(2);
    directory.completed().await;
    assert!(find(&directory, "disabled").await.expect("the account").disabled);
    assert!(find(&directory, "deleted").await.is_none());
    assert_eq!(find(&directory, "untouched").await.expect("the account").keys.len(), 1);
    assert_eq!(find(&directory, "added").await.expect("the account").keys.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_filled_amid_changes_is_as_the_store() {
    let path = tempfile::tempdir().expect("a directory");
    let path = path.path().join("countersign.db");
    let database = SqliteFile::open(&path, Durability::default()).await.expect("a database");
    let store = Arc::new(SqlStore::new(database));
    for number in 0..900 {
        create(&*store, number, &format!("robot-{number:03}")).await;
    }
    let directory = LiveDirectory::start(Arc::clone(&store) as Arc<_>, None);
    for number in (0..900).rev().step_by(9) {
        let called = name(&format!("robot-{number:03}"));
        if number % 2 == 0 {
            assert_eq!(directory.delete_account(&act(3), &called).await, Ok(true));
        } else {
            let disable = AccountChange::SetDisabled(true);
            directory.change_account(&act(3), &called, disable).await.expect("a change");
        }
    }
    directory.completed().await;
    for number in 0..900 {
        let called = format!("robot-{number:03}");
        let stored = store.load(&name(&called)).await.expect("an answer");
        let stored = stored.map(|stored| (stored.account.id, stored.account.disabled));
        let found = find(&directory, &called).await.map(|found| (found.id, found.disabled));
        assert_eq!(found, stored, "{called}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_pages_are_read() {
    let store = Arc::new(Flaky::new());
    for number in 0..600 {
        create(&*store, number, &format!("robot-{number}")).await;
    }
    let directory = complete(&store).await;
    for number in 0..600 {
        assert!(find(&directory, &format!("robot-{number}")).await.is_some());
    }
    assert_eq!(store.loads(), 0);
}

//! Last use: remembered at once, written down in batches.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_core::ports::{AdminStore, Credential, Directory, LastUse};
use countersign_core::{AccountId, PublicKey, UnixTime};
use countersign_store::LiveDirectory;
use uuid::Uuid;

use super::{Flaky, complete, create, name, until};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn used(number: u128, called: &str, key: &PublicKey, seconds: i64) -> LastUse {
    LastUse {
        id: AccountId(Uuid::from_u128(number)),
        account: name(called),
        credential: Credential::PublicKey(key.clone()),
        at: UnixTime::from_secs(seconds),
        from: Some(ADDRESS),
    }
}

/// When a listing says that the key and its account were last used.
async fn listed(store: &dyn AdminStore, called: &str) -> [Option<i64>; 2] {
    let keys = store.public_keys(&name(called)).await.expect("an answer").expect("the account");
    let account = store.account(&name(called)).await.expect("an answer").expect("the account");
    [keys[0].last_used_at, account.last_used_at].map(|at| at.map(UnixTime::as_secs))
}

#[tokio::test(start_paused = true)]
async fn a_listing_shows_a_use_before_it_is_written_down() {
    let store = Arc::new(Flaky::new());
    let key = create(&*store, 1, "robot").await;
    create(&*store, 2, "idle").await;
    let directory = complete(&store).await;
    store.cannot_record.store(true, Ordering::SeqCst);
    for seconds in [10, 30, 20] {
        directory.used(used(1, "robot", &key, seconds));
    }
    assert_eq!(listed(&directory, "robot").await, [Some(30); 2]);
    assert_eq!(listed(&directory, "idle").await, [None; 2]);
    assert_eq!(listed(&*store, "robot").await, [None; 2]);

    store.cannot_record.store(false, Ordering::SeqCst);
    until("it is written down", async || listed(&*store, "robot").await == [Some(30); 2]).await;
    let recorded = store.recorded.lock().expect("a lock").concat();
    assert_eq!(recorded.len(), 1, "one row of three uses");
    assert_eq!(recorded[0].from, Some(ADDRESS));
}

#[tokio::test(start_paused = true)]
async fn uses_are_written_down_in_bounded_batches_and_all_at_the_end() {
    let store = Arc::new(Flaky::new());
    let key = create(&*store, 1, "robot").await;
    let directory = complete(&store).await;
    for number in 0..2500 {
        directory.used(used(number, "robot", &key, 10));
    }
    directory.close().await.expect("all is written down");
    let batches: Vec<usize> = store.recorded.lock().expect("a lock").iter().map(Vec::len).collect();
    assert!(batches.iter().all(|size| *size <= 1000), "{batches:?}");
    let mut seen: Vec<_> = store.recorded.lock().expect("a lock").concat();
    seen.sort_by_key(|used| used.account);
    seen.dedup();
    assert_eq!(seen.len(), 2500, "each once: {batches:?}");
    assert_eq!(batches.iter().sum::<usize>(), 2500);
}

#[tokio::test(start_paused = true)]
async fn closing_says_what_could_not_be_written_down() {
    let store = Arc::new(Flaky::new());
    let key = create(&*store, 1, "robot").await;
    let directory: LiveDirectory = complete(&store).await;
    store.cannot_record.store(true, Ordering::SeqCst);
    directory.used(used(1, "robot", &key, 10));
    directory.close().await.expect_err("the store is out of order");
}

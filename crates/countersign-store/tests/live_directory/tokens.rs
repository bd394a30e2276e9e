//! Accounts are found by id and by API key as surely as by name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_core::ports::{AccountChange, AdminStore, ApiKeyStore, NewApiKey, TokenDirectory};
use countersign_core::{AccountId, ApiKeyId, SecretHash, UnixTime};
use countersign_store::LiveDirectory;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{Flaky, act, complete, create, name, until};

fn id(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

fn hash(number: u8) -> SecretHash {
    SecretHash::from_bytes([number; 32])
}

fn new_key(number: u8) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId(Uuid::from_u128(number.into())),
        hash: hash(number),
        comment: String::new(),
        expires_at: None,
    }
}

/// The names of the accounts with these ids and these API keys.
async fn found(directory: &LiveDirectory, ids: &[u128], keys: &[u8]) -> String {
    let mut found = Vec::new();
    for number in ids {
        found.push(directory.find_by_id(id(*number)).await.expect("an answer"));
    }
    for number in keys {
        found.push(directory.find_by_api_key(&hash(*number)).await.expect("an answer"));
    }
    let name = |account: Option<Arc<countersign_core::ports::AccountKeys>>| {
        account.map_or("-".to_owned(), |account| account.name.to_string())
    };
    found.into_iter().map(name).collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn each_change_is_seen_by_the_next_lookup() {
    let store = Arc::new(Flaky::new());
    let directory = complete(&store).await;
    create(&directory, 1, "robot").await;
    create(&directory, 2, "other").await;
    assert_eq!(found(&directory, &[1, 2, 3], &[1]).await, "robot other - -");
    directory.add_api_key(&act(2), &name("robot"), new_key(1)).await.expect("a key");
    assert_eq!(found(&directory, &[1], &[1, 2]).await, "robot robot -");
    let revoked = directory.revoke_api_key(&act(3), &name("robot"), new_key(1).id).await;
    assert!(revoked.expect("an answer").is_some());
    let robot = directory.find_by_api_key(&hash(1)).await.expect("an answer").expect("it");
    assert_eq!(robot.api_keys[0].revoked_at, Some(UnixTime::from_secs(3)));
    directory
        .change_account(&act(4), &name("robot"), AccountChange::RevokeTokens)
        .await
        .expect("it");
    let robot = directory.find_by_id(id(1)).await.expect("an answer").expect("it");
    assert_eq!(robot.tokens_revoked_at, Some(UnixTime::from_secs(4)));

    // The name goes to another account, and the key to another name.
    directory.delete_account(&act(5), &name("robot")).await.expect("a deletion");
    assert_eq!(found(&directory, &[1], &[1]).await, "- -");
    create(&directory, 7, "robot").await;
    directory.add_api_key(&act(6), &name("other"), new_key(1)).await.expect("a key");
    assert_eq!(found(&directory, &[1, 7, 2], &[1]).await, "- robot other other");
    let loads = store.loads();
    found(&directory, &[1, 7, 2], &[1, 2]).await;
    assert_eq!(store.loads(), loads, "all of that is in memory");
}

#[tokio::test(start_paused = true)]
async fn a_registration_is_seen_by_the_next_lookup() {
    let store = Arc::new(Flaky::new());
    let directory = complete(&store).await;
    directory.register_api_key(&act(2), id(9), new_key(1)).await.expect("a registration");
    let called = id(9).to_string();
    assert_eq!(found(&directory, &[9], &[1]).await, format!("{called} {called}"));
}

#[tokio::test(start_paused = true)]
async fn while_accounts_are_being_read_the_store_is_asked() {
    let store = Arc::new(Flaky { pages: Semaphore::new(0), ..Flaky::new() });
    create(&*store, 1, "robot").await;
    store.add_api_key(&act(2), &name("robot"), new_key(1)).await.expect("a key");
    let token = Uuid::from_u128(5);
    store.revoke_token(&act(2), token, UnixTime::from_secs(9)).await.expect("an answer");
    let directory = LiveDirectory::start(Arc::clone(&store) as Arc<_>, None);
    for _ in 0..2 {
        assert_eq!(found(&directory, &[1, 2], &[1, 2]).await, "robot - robot -");
        assert_eq!(directory.is_token_revoked(token).await.ok(), Some(true));
        assert_eq!(directory.is_token_revoked(Uuid::nil()).await.ok(), Some(false));
        store.pages.add_permits(1000);
        directory.completed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_forgotten_when_it_has_expired() {
    let directory = complete(&Arc::new(Flaky::new())).await;
    let token = Uuid::from_u128(5);
    directory.revoke_token(&act(2), token, UnixTime::from_secs(9)).await.expect("an answer");
    for (now, revoked) in [(9, true), (10, false)] {
        directory.forget_revoked_tokens(UnixTime::from_secs(now)).await.expect("an answer");
        assert_eq!(directory.is_token_revoked(token).await.ok(), Some(revoked));
    }
}

/// What was found under a version must not be used after anything has changed.
#[tokio::test(start_paused = true)]
async fn the_version_changes_with_whatever_changes() {
    let store = Arc::new(Flaky::new());
    let directory = complete(&store).await;
    let mut versions = vec![directory.version().expect("a version")];
    let mut assert_changed = |what: &str| {
        let version = directory.version().expect("a version");
        assert!(!versions.contains(&version), "{what}");
        versions.push(version);
    };
    create(&directory, 1, "robot").await;
    assert_changed("an account was made");
    directory.add_api_key(&act(2), &name("robot"), new_key(1)).await.expect("a key");
    assert_changed("a key was added");
    directory.revoke_api_key(&act(3), &name("robot"), new_key(1).id).await.expect("an answer");
    assert_changed("a key was revoked");
    for change in [AccountChange::RevokeTokens, AccountChange::SetDisabled(true)] {
        directory.change_account(&act(4), &name("robot"), change).await.expect("it");
        assert_changed("the account was changed");
    }
    directory.register_api_key(&act(5), id(9), new_key(2)).await.expect("a registration");
    assert_changed("a key was registered");
    let token = Uuid::from_u128(5);
    directory.revoke_token(&act(6), token, UnixTime::from_secs(9)).await.expect("an answer");
    assert_changed("a token was revoked");
    directory.delete_account(&act(7), &name("robot")).await.expect("a deletion");
    assert_changed("the account was deleted");
    found(&directory, &[1, 9], &[1, 2]).await;
    assert_eq!(directory.version().as_ref(), versions.last(), "nothing changes by looking");
}

#[tokio::test(start_paused = true)]
async fn there_is_no_version_while_something_is_in_doubt() {
    let store = Arc::new(Flaky { pages: Semaphore::new(0), ..Flaky::new() });
    let directory = LiveDirectory::start(Arc::clone(&store) as Arc<_>, None);
    assert_eq!(directory.version(), None, "accounts are being read");
    store.pages.add_permits(1000);
    directory.completed().await;
    create(&directory, 1, "robot").await;
    let before = directory.version().expect("a version");

    // The store has done it, but nobody heard.
    store.loses_answers.store(true, Ordering::SeqCst);
    let disable = AccountChange::SetDisabled(true);
    directory.change_account(&act(2), &name("robot"), disable).await.expect_err("no answer");
    assert_eq!(directory.version(), None);
    store.loses_answers.store(false, Ordering::SeqCst);
    until("it has been looked at again", async || directory.version().is_some()).await;
    assert_ne!(directory.version(), Some(before));
    let robot = directory.find_by_id(id(1)).await.expect("an answer").expect("it");
    assert!(robot.disabled);
}

#[tokio::test(start_paused = true)]
async fn the_first_accounts_of_which_keys_expire_are_named_in_their_order() {
    let store = Arc::new(Flaky::new());
    let directory = complete(&store).await;
    for number in (1..=9_u8).rev() {
        let called = format!("robot {number}");
        create(&directory, number.into(), &called).await;
        let expires_at = Some(UnixTime::from_secs(if number % 3 == 0 { 50 } else { 20 }));
        let key = NewApiKey { expires_at, ..new_key(number) };
        directory.add_api_key(&act(2), &name(&called), key).await.expect("a key");
    }
    let revoked = directory.revoke_api_key(&act(3), &name("robot 2"), new_key(2).id).await;
    assert!(revoked.expect("an answer").is_some());
    let span = (UnixTime::from_secs(10), UnixTime::from_secs(20));
    let ending = ["robot 1", "robot 4", "robot 5", "robot 7", "robot 8"].map(name);
    for limit in 0..7 {
        let first = directory.api_keys_that_expire(span, limit);
        assert_eq!(first, ending[..limit.min(ending.len())], "{limit}");
    }
}

//! A directory that others' changes reach through the store's trail: believed for a while
//! after each look, and read anew where rows will not do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{
    AccountChange, AdminStore, AuditFilter, AuditRecord, Directory, Page, SharedSigningKeys,
    SigningKeyRecord, SigningKeyStore, StoreError, TokenDirectory,
};
use countersign_core::{AccountId, Algorithm, KeyKind, PrivateKey, UnixTime};
use countersign_store::{Following, LiveDirectory, OutOfTouch, SharedTrail};
use uuid::Uuid;

use super::{Flaky, act, create, find, name, until};

/// The trail of a memory store, which nobody speaks of.
struct Trail {
    store: Arc<Flaky>,
    is_deaf: AtomicBool,
    /// What another version has done.
    strange: Mutex<Option<AuditRecord>>,
}

#[async_trait]
impl SharedTrail for Trail {
    async fn rows(&self, page: Page<i64>) -> Result<Vec<AuditRecord>, StoreError> {
        if self.is_deaf.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("deaf".to_owned()));
        }
        let after = page.after;
        let mut rows = self.store.audit(&AuditFilter::default(), page).await?;
        let strange = self.strange.lock().expect("a lock").clone();
        rows.extend(strange.filter(|row| after.is_none_or(|after| row.sequence > after)));
        Ok(rows)
    }

    async fn last(&self) -> Result<Option<AuditRecord>, StoreError> {
        let page = Page { after: None, limit: 1 };
        let last = self.store.latest_audit(&AuditFilter::default(), page).await?.pop();
        Ok(self.strange.lock().expect("a lock").clone().or(last))
    }

    async fn news(&self) {
        std::future::pending::<()>().await;
    }
}

/// How often the signing keys were read again.
#[derive(Default)]
struct Ring {
    readings: AtomicUsize,
    cannot_be_read: AtomicBool,
}

#[async_trait]
impl SharedSigningKeys for Ring {
    async fn read_again(&self) -> Result<(), StoreError> {
        if self.cannot_be_read.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("damaged".to_owned()));
        }
        self.readings.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

struct World {
    store: Arc<Flaky>,
    trail: Arc<Trail>,
    ring: Arc<Ring>,
    directory: LiveDirectory,
}

impl World {
    async fn new() -> Self {
        Self::out_of_touch(OutOfTouch::AskTheStore).await
    }

    async fn out_of_touch(out_of_touch: OutOfTouch) -> Self {
        let store = Arc::new(Flaky::new());
        create(&*store, 1, "robot").await;
        let trail = Arc::new(Trail {
            store: Arc::clone(&store),
            is_deaf: AtomicBool::new(false),
            strange: Mutex::default(),
        });
        let ring = Arc::new(Ring::default());
        let following = Following {
            trail: Arc::clone(&trail) as _,
            signing_keys: Some(Arc::clone(&ring) as _),
            out_of_touch,
        };
        let directory = LiveDirectory::follow(Arc::clone(&store) as _, None, following);
        let world = Self { store, trail, ring, directory };
        world.settled().await;
        world
    }

    async fn settled(&self) {
        until("an answer from memory", async || self.directory.version().is_some()).await;
    }

    /// Whether a lookup goes to the store.
    async fn asks_the_store(&self) -> bool {
        let before = self.store.loads();
        find(&self.directory, "robot").await;
        self.store.loads() > before
    }

    /// Lets another version act upon something.
    fn strange_act(&self, target: &str) {
        *self.trail.strange.lock().expect("a lock") = Some(AuditRecord {
            sequence: 1000,
            at: 0,
            actor: "someone".to_owned(),
            from: None,
            action: "something".to_owned(),
            target: target.to_owned(),
            before: serde_json::Value::Null,
            after: serde_json::Value::Null,
        });
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_change_is_seen_without_being_told() {
    let world = World::new().await;
    assert!(!world.asks_the_store().await);
    let disable = AccountChange::SetDisabled(true);
    let version = world.directory.version();
    world.store.change_account(&act(2), &name("robot"), disable).await.expect("a change");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(find(&world.directory, "robot").await.expect("the account").disabled);
    world.settled().await;
    assert_ne!(world.directory.version(), version, "nothing that was remembered holds");
    assert!(!world.asks_the_store().await);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_has_lost_touch_asks_the_store_before_a_second_is_over() {
    let world = World::new().await;
    world.trail.is_deaf.store(true, Ordering::SeqCst);
    let disable = AccountChange::SetDisabled(true);
    world.store.change_account(&act(2), &name("robot"), disable).await.expect("a change");
    tokio::time::sleep(Duration::from_millis(990)).await;
    assert!(world.asks_the_store().await);
    assert!(find(&world.directory, "robot").await.expect("the account").disabled);
    assert_eq!((world.directory.version(), world.directory.is_in_touch()), (None, false));
    world.store.cannot_load.store(true, Ordering::SeqCst);
    world.directory.find(&name("robot")).await.expect_err("neither knows");

    world.store.cannot_load.store(false, Ordering::SeqCst);
    world.trail.is_deaf.store(false, Ordering::SeqCst);
    world.settled().await;
    assert!(!world.asks_the_store().await);
    assert!(find(&world.directory, "robot").await.expect("the account").disabled);
}

#[tokio::test(start_paused = true)]
async fn the_only_server_goes_on_and_hears_of_commands() {
    let world = World::out_of_touch(OutOfTouch::GoOn).await;
    world.trail.is_deaf.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!world.asks_the_store().await);
    assert!(world.directory.is_in_touch() && world.directory.version().is_some());
    let disable = AccountChange::SetDisabled(true);
    world.store.change_account(&act(2), &name("robot"), disable).await.expect("a change");
    world.trail.is_deaf.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(find(&world.directory, "robot").await.expect("the account").disabled);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_others_changed_and_that_cannot_be_read_is_in_doubt() {
    let world = World::new().await;
    world.store.cannot_load.store(true, Ordering::SeqCst);
    let disable = AccountChange::SetDisabled(true);
    world.store.change_account(&act(2), &name("robot"), disable).await.expect("a change");
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.directory.find(&name("robot")).await.expect_err("the map is out of date");
    assert!(find_other(&world).await, "others are known");
    world.store.cannot_load.store(false, Ordering::SeqCst);
    world.settled().await;
    assert!(find(&world.directory, "robot").await.expect("the account").disabled);
}

#[tokio::test(start_paused = true)]
async fn what_an_account_in_doubt_has_is_asked_of_the_store() {
    let world = World::new().await;
    world.store.cannot_load.store(true, Ordering::SeqCst);
    let [new, nobody] = [7, 8].map(|number| AccountId(Uuid::from_u128(number)));
    create(&*world.store, 7, "new").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // It is in no index yet. That is no reason to say that there is no such account.
    world.directory.find_by_id(new).await.expect_err("it cannot be read");
    world.store.cannot_load.store(false, Ordering::SeqCst);
    world.settled().await;
    assert!(world.directory.find_by_id(new).await.expect("an answer").is_some());
    assert!(world.directory.find_by_id(nobody).await.expect("an answer").is_none());
}

/// Whether it is known, without the store, that there is no such account.
async fn find_other(world: &World) -> bool {
    world.directory.find(&name("other")).await.expect("an answer").is_none()
}

#[tokio::test(start_paused = true)]
async fn signing_keys_are_read_again_when_others_have_changed_them() {
    let world = World::new().await;
    assert_eq!(world.ring.readings.load(Ordering::SeqCst), 0);
    world.strange_act("signing key 7");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.ring.readings.load(Ordering::SeqCst), 1);
    assert!(!world.asks_the_store().await, "accounts are as they were");
}

#[tokio::test(start_paused = true)]
async fn signing_keys_that_cannot_be_read_do_not_hide_what_comes_behind() {
    let world = World::out_of_touch(OutOfTouch::GoOn).await;
    world.ring.cannot_be_read.store(true, Ordering::SeqCst);
    let key = SigningKeyRecord {
        kid: "damaged".into(),
        algorithm: Algorithm::EdDsa,
        public_key: PrivateKey::generate(KeyKind::Ed25519).expect("a key").public_key().clone(),
        sealed: None,
        published_at: UnixTime::from_secs(1),
        activated_at: None,
        retired_at: None,
        gone_at: None,
    };
    world.store.inner.add_signing_key(&act(2), &key).await.expect("an answer");
    // More rows than are read at once.
    for number in 0..300 {
        let change = AccountChange::SetDisabled(number % 2 == 0);
        world.store.change_account(&act(2), &name("robot"), change).await.expect("a change");
    }
    create(&*world.store, 2, "newcomer").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(find(&world.directory, "newcomer").await.is_some());
    assert_eq!(world.ring.readings.load(Ordering::SeqCst), 0);

    world.ring.cannot_be_read.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.ring.readings.load(Ordering::SeqCst), 1, "they are read when they can be");
}

#[tokio::test(start_paused = true)]
async fn after_an_act_that_it_does_not_know_it_reads_everything_again() {
    let world = World::new().await;
    let pages = world.store.pages.available_permits();
    world.strange_act("policy strict");
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.settled().await;
    assert!(world.store.pages.available_permits() < pages);
    assert!(find(&world.directory, "robot").await.is_some());
    let once = world.store.pages.available_permits();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.store.pages.available_permits(), once, "and once is enough");
}

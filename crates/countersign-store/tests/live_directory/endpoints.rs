//! Keys that come from JWKS endpoints.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use countersign_core::ports::{AdminStore, Directory, EndpointStatus, RegisteredKey};
use countersign_core::{AccountId, KeyKind, PrivateKey};
use countersign_store::{ChangeListener, EndpointKeys, LiveDirectory};
use uuid::Uuid;

use super::{Flaky, act, create, find, name, until};

/// A fetcher that has what the test gives it.
#[derive(Default)]
struct Fetcher {
    keys: Mutex<HashMap<AccountId, Vec<RegisteredKey>>>,
    endpoints: Mutex<HashMap<AccountId, Vec<String>>>,
    unknown: Mutex<Vec<AccountId>>,
    listener: Mutex<Option<ChangeListener>>,
}

impl Fetcher {
    /// The endpoints of an account now publish this key.
    fn publish(&self, account: AccountId, key: RegisteredKey) {
        self.keys.lock().expect("a lock").insert(account, vec![key]);
        (self.listener.lock().expect("a lock").as_ref().expect("a listener"))(account);
    }

    fn endpoints(&self, account: AccountId) -> Option<Vec<String>> {
        self.endpoints.lock().expect("a lock").get(&account).cloned()
    }
}

impl EndpointKeys for Fetcher {
    fn set_endpoints(&self, account: AccountId, urls: &[String]) {
        self.endpoints.lock().expect("a lock").insert(account, urls.to_vec());
        if urls.is_empty() {
            self.keys.lock().expect("a lock").remove(&account);
        }
    }

    fn keys(&self, account: AccountId) -> Vec<RegisteredKey> {
        self.keys.lock().expect("a lock").get(&account).cloned().unwrap_or_default()
    }

    fn unknown_key(&self, account: AccountId) {
        self.unknown.lock().expect("a lock").push(account);
    }

    fn tell(&self, listener: ChangeListener) {
        *self.listener.lock().expect("a lock") = Some(listener);
    }

    fn status(&self, _url: &str) -> Option<EndpointStatus> {
        None
    }
}

fn published_key() -> RegisteredKey {
    let key = PrivateKey::generate(KeyKind::Ed25519).expect("a key").public_key().clone();
    RegisteredKey { key, kid: Some("k1".into()), algorithm: None, expires_at: None, revoked: false }
}

#[tokio::test(start_paused = true)]
async fn published_keys_come_and_go_with_their_endpoint() {
    let (store, fetcher) = (Arc::new(Flaky::new()), Arc::new(Fetcher::default()));
    let id = AccountId(Uuid::from_u128(1));
    let registered = create(&*store, 1, "robot").await;
    let url = "https://keys.example/";
    store.add_jwks_endpoint(&act(1), &name("robot"), url).await.expect("an endpoint");
    let directory =
        LiveDirectory::start(Arc::clone(&store) as Arc<_>, Some(Arc::clone(&fetcher) as Arc<_>));
    directory.completed().await;
    assert_eq!(fetcher.endpoints(id), Some(vec![url.to_owned()]), "told while filling");

    let published = published_key();
    fetcher.publish(id, published.clone());
    let merged = async || {
        let account = find(&directory, "robot").await.expect("the account");
        let keys: Vec<_> = account.keys.iter().map(|key| key.key.clone()).collect();
        keys == [registered.clone(), published.key.clone()]
    };
    until("the published key is taken in", merged).await;
    let account = find(&directory, "robot").await.expect("the account");
    assert!(account.keys[1].answers_to("k1"));

    directory.remove_jwks_endpoint(&act(2), &name("robot"), url).await.expect("a change");
    assert_eq!(fetcher.endpoints(id), Some(Vec::new()));
    assert_eq!(find(&directory, "robot").await.expect("the account").keys.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_has_no_endpoints() {
    let (store, fetcher) = (Arc::new(Flaky::new()), Arc::new(Fetcher::default()));
    let id = AccountId(Uuid::from_u128(1));
    let directory =
        LiveDirectory::start(Arc::clone(&store) as Arc<_>, Some(Arc::clone(&fetcher) as Arc<_>));
    directory.completed().await;
    create(&directory, 1, "robot").await;
    assert_eq!(fetcher.endpoints(id), None, "nothing to tell of an account without any");
    let url = "https://keys.example/";
    directory.add_jwks_endpoint(&act(2), &name("robot"), url).await.expect("an endpoint");
    assert_eq!(fetcher.endpoints(id), Some(vec![url.to_owned()]));
    let account = find(&directory, "robot").await.expect("the account");
    directory.unknown_key(&account);
    assert_eq!(*fetcher.unknown.lock().expect("a lock"), [id]);
    directory.delete_account(&act(3), &name("robot")).await.expect("a change");
    assert_eq!(fetcher.endpoints(id), Some(Vec::new()));
}

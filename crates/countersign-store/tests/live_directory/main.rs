//! The directory in front of a store that can be slow, fail, or lose an answer.

mod changes;
mod endpoints;
mod filling;
mod flaky;
mod following;
mod last_use;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{AccountKeys, Act, AdminStore, Directory, NewAccount, NewPublicKey};
use countersign_core::{AccountId, AccountName, KeyKind, PrivateKey, PublicKey, UnixTime};
use countersign_store::LiveDirectory;
use uuid::Uuid;

use flaky::Flaky;

fn act(seconds: i64) -> Act {
    Act { actor: "olga".to_owned(), at: UnixTime::from_secs(seconds), from: None }
}

fn name(name: &str) -> AccountName {
    AccountName::new(name).expect("a name")
}

/// Makes an account with one key.
async fn create(store: &dyn AdminStore, number: u128, called: &str) -> PublicKey {
    let new =
        NewAccount { id: AccountId(Uuid::from_u128(number)), name: name(called), groups: vec![] };
    store.create_account(&act(1), new).await.expect("an account");
    let key = PrivateKey::generate(KeyKind::Ed25519).expect("a key").public_key().clone();
    let new = NewPublicKey { key: key.clone(), comment: String::new(), expires_at: None };
    store.add_public_key(&act(1), &name(called), new).await.expect("a key");
    key
}

/// A directory that has read everything.
async fn complete(store: &Arc<Flaky>) -> LiveDirectory {
    let directory = LiveDirectory::start(Arc::clone(store) as Arc<_>, None);
    directory.completed().await;
    directory
}

async fn find(directory: &LiveDirectory, called: &str) -> Option<Arc<AccountKeys>> {
    directory.find(&name(called)).await.expect("an answer")
}

/// Waits until something holds. The tests run on a paused clock, which goes on
/// only when every task waits for it.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect(what);
}

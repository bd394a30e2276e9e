//! What a SQLite store keeps beyond the end of the process.

use std::path::Path;

use countersign_core::ports::{Act, AdminStore, NewAccount, NewPublicKey, Page};
use countersign_core::{AccountId, AccountName, KeyKind, PrivateKey, UnixTime};
use countersign_store::{
    CredentialUse, Durability, RegistryStore, SqlStore, SqliteFile, UsedCredential,
};
use uuid::Uuid;

async fn open(path: &Path) -> SqlStore {
    SqlStore::new(SqliteFile::open(path, Durability::default()).await.expect("a database"))
}

/// Everything there is, as text.
async fn contents(store: &SqlStore) -> String {
    let accounts = store.load_page(Page { after: None, limit: 100 }).await.expect("accounts");
    let trail = store.audit(Page { after: None, limit: 100 }).await.expect("the trail");
    let instance = store.instance_id(Uuid::nil()).await.expect("an id");
    format!("{accounts:#?}\n{trail:#?}\n{instance}")
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("countersign.db");
    let store = open(&path).await;
    store.instance_id(Uuid::from_u128(5)).await.expect("an id");
    let act = Act { actor: "olga".to_owned(), at: UnixTime::from_micros(1_234_567), from: None };
    let name = AccountName::new("Grüße aus 東京").expect("a name");
    let id = AccountId(Uuid::from_u128(1));
    let account = NewAccount { id, name: name.clone(), groups: Vec::new() };
    let key = PrivateKey::generate(KeyKind::P256).expect("a key").public_key().clone();
    let new = NewPublicKey {
        key: key.clone(),
        comment: "laptop".to_owned(),
        expires_at: Some(UnixTime::from_micros(i64::MAX)),
    };
    assert_eq!(store.bootstrap_admin(&act, account, new).await, Ok(true));
    let url = "https://keys.example/";
    store.add_jwks_endpoint(&act, &name, url).await.expect("an endpoint");
    let from = Some("2001:db8::1".parse().expect("an address"));
    let used = CredentialUse {
        account: id,
        credential: UsedCredential::PublicKey(*key.fingerprints()),
        at: act.at,
        from,
    };
    store.record_last_use(&[used]).await.expect("an answer");

    let before = contents(&store).await;
    for part in ["Grüße", "laptop", "2001:db8::1", "keys.example", "admin.bootstrap"] {
        assert!(before.contains(part), "{part} is missing in {before}");
    }
    store.database().close().await;
    drop(store);
    assert_eq!(contents(&open(&path).await).await, before);
}

/// Without closing: what was confirmed is in the file and its log.
#[tokio::test]
async fn what_was_confirmed_is_there_for_another_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("countersign.db");
    let store = open(&path).await;
    let act = Act { actor: "olga".to_owned(), at: UnixTime::from_secs(1), from: None };
    let name = AccountName::new("robot").expect("a name");
    let new = NewAccount { id: AccountId(Uuid::from_u128(1)), name, groups: Vec::new() };
    let made = store.create_account(&act, new.clone()).await.expect("an account");
    let other = open(&path).await;
    assert_eq!(other.account(&new.name).await, Ok(Some(made)));
}

//! What a SQLite store keeps beyond the end of the process.

use std::path::Path;

use std::sync::Arc;

use countersign_core::ports::{
    Act, AdminStore, ApiKeyStore, AuditFilter, NewAccount, NewApiKey, NewPublicKey, Page,
    RefreshTokenRecord, RefreshTokenStore,
};
use countersign_core::{
    AccountId, AccountName, ApiKeyId, KeyKind, PrivateKey, SecretHash, UnixTime,
};
use countersign_store::{
    CredentialUse, Durability, RegistryStore, SqlRefreshTokens, SqlStore, SqliteFile,
    UsedCredential,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tokio::task::JoinSet;
use uuid::Uuid;

async fn open(path: &Path) -> SqlStore {
    SqlStore::new(SqliteFile::open(path, Durability::default()).await.expect("a database"))
}

/// Everything there is, as text.
async fn contents(store: &SqlStore) -> String {
    let accounts = store.load_page(Page { after: None, limit: 100 }).await.expect("accounts");
    let trail = store
        .audit(&AuditFilter::default(), Page { after: None, limit: 100 })
        .await
        .expect("the trail");
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

const ACCOUNT: AccountId = AccountId(Uuid::from_u128(1));
const KEY: ApiKeyId = ApiKeyId(Uuid::from_u128(2));

/// A refresh token whose hash lies anywhere.
fn token(number: u32, expires_at: i64) -> RefreshTokenRecord {
    let mut hash = [7; 32];
    hash[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
    RefreshTokenRecord {
        hash: SecretHash::from_bytes(hash),
        api_key: KEY,
        account: ACCOUNT,
        created_at: UnixTime::from_secs(1),
        expires_at: UnixTime::from_secs(expires_at),
    }
}

/// Opens a file with an account that has an API key.
async fn with_key(path: &Path) -> SqlStore {
    let store = open(path).await;
    let act = Act { actor: "olga".to_owned(), at: UnixTime::from_secs(1), from: None };
    let name = AccountName::new("robot").expect("a name");
    let account = NewAccount { id: ACCOUNT, name: name.clone(), groups: Vec::new() };
    store.create_account(&act, account).await.expect("an account");
    let hash = SecretHash::from_bytes([1; 32]);
    let key = NewApiKey { id: KEY, hash, comment: String::new(), expires_at: None };
    store.add_api_key(&act, &name, key).await.expect("a key");
    store
}

async fn add_all(tokens: &Arc<SqlRefreshTokens>, all: impl Iterator<Item = RefreshTokenRecord>) {
    let mut adding = JoinSet::new();
    for token in all {
        let tokens = Arc::clone(tokens);
        adding.spawn(async move { tokens.add_refresh_token(token).await });
    }
    for added in adding.join_all().await {
        assert_eq!(added, Ok(true));
    }
}

async fn count(path: &Path, table: &str) -> i64 {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.expect("a connection");
    let query = format!("SELECT count(*) FROM countersign_{table}");
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await.expect("a number")
}

#[tokio::test]
async fn refresh_tokens_that_have_just_arrived_are_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("countersign.db");
    let store = with_key(&path).await;
    let tokens = Arc::new(SqlRefreshTokens::new(store.database().clone()));
    add_all(&tokens, (0..300).map(|number| token(number, 10))).await;
    assert_eq!(count(&path, "refresh_tokens").await, 0);
    assert!(count(&path, "arrived_refresh_tokens").await > 0);
    drop(tokens);

    let again = SqlRefreshTokens::new(open(&path).await.database().clone());
    for number in 0..300 {
        let token = token(number, 10);
        assert_eq!(again.refresh_token(&token.hash).await, Ok(Some(token)));
    }
    assert_eq!(again.refresh_token(&token(300, 10).hash).await, Ok(None));
}

#[tokio::test]
async fn refresh_tokens_are_sorted_in_and_deleted_when_they_have_expired() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("countersign.db");
    let store = with_key(&path).await;
    let tokens = Arc::new(SqlRefreshTokens::new(store.database().clone()));
    let expiry = |number: u32| [10, 20, 30][number as usize % 3];
    for some in 0..3 {
        let some = some * 3000..(some + 1) * 3000;
        add_all(&tokens, some.map(|number| token(number, expiry(number)))).await;
    }
    // What has expired before it was sorted in never gets there.
    let at = UnixTime::from_secs;
    assert_eq!(tokens.delete_expired_refresh_tokens(at(11)).await, Ok(false));
    assert_eq!(count(&path, "refresh_tokens").await, 6000);
    assert_eq!(count(&path, "arrived_refresh_tokens").await, 0);
    assert_eq!(tokens.delete_expired_refresh_tokens(at(20)).await, Ok(false), "not before");
    assert_eq!(count(&path, "refresh_tokens").await, 6000);
    tokens.delete_expired_refresh_tokens(at(21)).await.expect("an answer");
    assert_eq!(count(&path, "refresh_tokens").await, 3000);

    // More of them than are looked at in one go.
    for some in 3..6 {
        let some = some * 3000..(some + 1) * 3000;
        add_all(&tokens, some.map(|number| token(number, 30))).await;
    }
    assert_eq!(tokens.delete_expired_refresh_tokens(at(29)).await, Ok(false));
    assert_eq!(count(&path, "refresh_tokens").await, 12_000);
    tokens.delete_expired_refresh_tokens(at(31)).await.expect("an answer");
    tokens.delete_expired_refresh_tokens(at(31)).await.expect("an answer");
    assert_eq!(count(&path, "refresh_tokens").await, 0);
    let fresh = SqlRefreshTokens::new(store.database().clone());
    assert_eq!(fresh.refresh_token(&token(0, 10).hash).await, Ok(None));
}

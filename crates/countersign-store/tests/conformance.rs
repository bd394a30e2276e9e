//! Every store, and the directory over each, through the one suite.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_core::ports::AdminStore;
use countersign_store::conformance::ImportTarget;
use countersign_store::{
    Durability, LiveDirectory, MemoryStore, RegistryStore, SqlRefreshTokens, SqlStore, SqliteFile,
    conformance,
};
use tempfile::TempDir;

/// Makes databases that are gone with it.
struct Databases {
    directory: TempDir,
    made: AtomicUsize,
}

impl Databases {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), made: AtomicUsize::new(0) }
    }

    async fn store(&self) -> Arc<SqlStore> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let path: PathBuf = self.directory.path().join(format!("{number}.db"));
        let database = SqliteFile::open(&path, Durability::default()).await;
        Arc::new(SqlStore::new(database.expect("a database")))
    }
}

async fn live(store: Arc<dyn RegistryStore>) -> Arc<dyn AdminStore> {
    let directory = LiveDirectory::start(store, None);
    directory.completed().await;
    Arc::new(directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_administrates() {
    conformance::administration(async || Arc::new(MemoryStore::default()) as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_is_a_registry() {
    conformance::registry(async || Arc::new(MemoryStore::default()) as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_administrates() {
    let databases = Databases::new();
    conformance::administration(async || databases.store().await as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_is_a_registry() {
    let databases = Databases::new();
    conformance::registry(async || databases.store().await as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_over_memory_administrates() {
    conformance::administration(async || live(Arc::new(MemoryStore::default())).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_over_sqlite_administrates() {
    let databases = Databases::new();
    conformance::administration(async || live(databases.store().await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_keeps_api_keys() {
    conformance::api_keys(async || Arc::new(MemoryStore::default()) as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_keeps_api_keys() {
    let databases = Databases::new();
    conformance::api_keys(async || databases.store().await as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_keeps_refresh_tokens() {
    let fresh = async || {
        let store = Arc::new(MemoryStore::default());
        (Arc::clone(&store) as Arc<_>, store as Arc<_>)
    };
    conformance::refresh_tokens(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_keeps_refresh_tokens() {
    let databases = Databases::new();
    let fresh = async || {
        let store = databases.store().await;
        let tokens = Arc::new(SqlRefreshTokens::new(store.database().clone()));
        (store as Arc<_>, tokens as Arc<_>)
    };
    conformance::refresh_tokens(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_keeps_signing_keys() {
    conformance::signing_keys(async || Arc::new(MemoryStore::default()) as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_keeps_signing_keys() {
    let databases = Databases::new();
    conformance::signing_keys(async || databases.store().await as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_keeps_visits() {
    let fresh = async || {
        let store = Arc::new(MemoryStore::default());
        (Arc::clone(&store) as Arc<_>, store as Arc<_>)
    };
    conformance::visits(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_keeps_visits() {
    let databases = Databases::new();
    let fresh = async || {
        let store = databases.store().await;
        (Arc::clone(&store) as Arc<_>, store as Arc<_>)
    };
    conformance::visits(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_takes_imports() {
    let fresh = async || {
        let store = Arc::new(MemoryStore::default());
        ImportTarget {
            import: Arc::clone(&store) as Arc<_>,
            registry: Arc::clone(&store) as Arc<_>,
            tokens: store,
        }
    };
    conformance::import(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_takes_imports() {
    let databases = Databases::new();
    let fresh = async || {
        let store = databases.store().await;
        ImportTarget {
            import: Arc::clone(&store) as Arc<_>,
            tokens: Arc::new(SqlRefreshTokens::new(store.database().clone())),
            registry: store,
        }
    };
    conformance::import(fresh).await;
}

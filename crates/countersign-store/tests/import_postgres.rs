//! Imports into PostgreSQL.

use std::sync::Arc;

use countersign_store::conformance::{self, ImportTarget};
use countersign_store::{PostgresLimits, PostgresServer, PostgresUrl, SqlRefreshTokens, SqlStore};
use countersign_testbed::fresh_database;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_store_takes_imports() {
    let fresh = async || {
        let database = fresh_database().await.expect("a database");
        let url = PostgresUrl::parse(database.url()).expect("its URL");
        let server = PostgresServer::open(&url, PostgresLimits::default()).await;
        let store = Arc::new(SqlStore::new(server.expect("a server")));
        ImportTarget {
            import: Arc::clone(&store) as Arc<_>,
            tokens: Arc::new(SqlRefreshTokens::new(store.database().clone())),
            registry: store,
        }
    };
    conformance::import(fresh).await;
}

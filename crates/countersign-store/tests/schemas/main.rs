//! The kept dumps of the schema, `schemas/<version>/`: each is what the release with that
//! version makes, for tests that start from the database of an earlier one.

mod beside;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use countersign_store::{Durability, PostgresLimits, PostgresServer, PostgresUrl, SqliteFile};
use countersign_testbed::fresh_database;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};

/// The last step that was applied.
const VERSION: &str = "SELECT max(version) FROM countersign_migrations";
const STEPS: &str = "SELECT version || ' ' || name FROM countersign_migrations";
const IN_SQLITE: &str = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL";
const IN_POSTGRES: [&str; 4] = [
    "SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type, is_nullable, \
       column_default, is_identity) FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT indexdef FROM pg_catalog.pg_indexes WHERE schemaname = 'public'",
    "SELECT concat_ws(' ', conrelid::regclass, conname, pg_catalog.pg_get_constraintdef(oid)) \
     FROM pg_catalog.pg_constraint WHERE connamespace = 'public'::regnamespace",
    STEPS,
];

fn kept(version: i64, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{version}/{file}"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| {
        panic!("{}: {error}: see CONTRIBUTING.md on how it is made", path.display())
    })
}

/// One word after the other, however they are laid out.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    options.connect().await.expect("a connection")
}

async fn sqlite_schema(connection: &mut SqliteConnection) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for query in [IN_SQLITE, STEPS] {
        let rows: Vec<String> =
            sqlx::query_scalar(query).fetch_all(&mut *connection).await.expect("rows");
        lines.extend(rows.iter().map(|row| words(row)));
    }
    lines
}

async fn postgres_schema(connection: &mut PgConnection) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for query in IN_POSTGRES {
        let rows: Vec<String> =
            sqlx::query_scalar(query).fetch_all(&mut *connection).await.expect("rows");
        lines.extend(rows);
    }
    lines
}

async fn restored_sqlite(path: &Path, version: i64) -> SqliteConnection {
    let dump = read(&kept(version, "sqlite.sql"));
    let mut connection = connect(path).await;
    sqlx::raw_sql(AssertSqlSafe(dump)).execute(&mut connection).await.expect("a schema");
    connection
}

async fn restored_postgres(url: &str, version: i64) -> PgConnection {
    let dump = read(&kept(version, "postgres.sql"));
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    sqlx::raw_sql(AssertSqlSafe(dump)).execute(&mut connection).await.expect("a schema");
    // The dump has set where names are looked up.
    PgConnection::connect(url).await.expect("a connection")
}

#[tokio::test]
async fn the_kept_sqlite_schema_is_the_one_that_is_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let (made, restored) = (directory.path().join("made.db"), directory.path().join("kept.db"));
    SqliteFile::open(&made, Durability::default()).await.expect("a database").close().await;
    let mut connection = connect(&made).await;
    let version = sqlx::query_scalar(VERSION).fetch_one(&mut connection).await.expect("a version");
    let schema = sqlite_schema(&mut connection).await;
    assert!(schema.len() > 15, "{schema:#?}");

    let mut connection = restored_sqlite(&restored, version).await;
    assert_eq!(sqlite_schema(&mut connection).await, schema);
    connection.close().await.expect("an end");
    let opened = SqliteFile::open(&restored, Durability::default()).await;
    opened.expect("nothing is left to do").close().await;
}

#[tokio::test]
async fn the_kept_postgres_schema_is_the_one_that_is_made() {
    let (made, restored) = (fresh_database().await, fresh_database().await);
    let (made, restored) = (made.expect("a database"), restored.expect("a database"));
    let url = |text| PostgresUrl::parse(text).expect("a URL");
    let limits = PostgresLimits::default();
    PostgresServer::open(&url(made.url()), limits).await.expect("a database").close().await;
    let mut connection = PgConnection::connect(made.url()).await.expect("a connection");
    let version = sqlx::query_scalar(VERSION).fetch_one(&mut connection).await.expect("a version");
    let schema = postgres_schema(&mut connection).await;
    assert!(schema.len() > 70, "{schema:#?}");

    let mut connection = restored_postgres(restored.url(), version).await;
    assert_eq!(postgres_schema(&mut connection).await, schema);
    let opened = PostgresServer::open(&url(restored.url()), PostgresLimits::default()).await;
    opened.expect("nothing is left to do").close().await;
}

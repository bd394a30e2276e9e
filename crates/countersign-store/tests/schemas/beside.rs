//! Servers of an earlier version go on beside one that has brought the schema to this
//! version, until they are upgraded in their turn. So whatever they say to the database must
//! still mean the same: each of their statements can be prepared, and no step makes a column,
//! a constraint or a unique index that they would run into.

use std::collections::{BTreeMap, BTreeSet};

use countersign_store::{Durability, PostgresLimits, PostgresServer, PostgresUrl, SqliteFile};
use countersign_testbed::fresh_database;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqlSafeStr as _, SqliteConnection,
};

use super::{connect, kept, read, restored_postgres, restored_sqlite};

/// A column, in either database's words.
#[derive(Debug)]
struct Column {
    kind: String,
    may_be_null: bool,
    has_default: bool,
}

const COLUMNS_IN_SQLITE: &str = "SELECT t.name, c.name, c.type, \
    NOT c.\"notnull\", c.dflt_value IS NOT NULL OR c.pk \
    FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'";
const COLUMNS_IN_POSTGRES: &str = "SELECT table_name::text, column_name::text, \
    data_type::text, is_nullable = 'YES', \
    column_default IS NOT NULL OR is_identity = 'YES' \
    FROM information_schema.columns WHERE table_schema = 'public'";
/// What a row may be refused for, each with its table.
const CONDITIONS_IN_SQLITE: &str = "SELECT t.name, group_concat(c.name) \
    FROM sqlite_schema AS t JOIN pragma_index_list(t.name) AS i JOIN pragma_index_info(i.name) AS c \
    WHERE t.type = 'table' AND i.\"unique\" GROUP BY t.name, i.name";
const CONDITIONS_IN_POSTGRES: &str = "SELECT c.conrelid::regclass::text, \
      pg_catalog.pg_get_constraintdef(c.oid) \
      FROM pg_catalog.pg_constraint AS c WHERE connamespace = 'public'::regnamespace \
    UNION SELECT x.indrelid::regclass::text, pg_catalog.pg_get_indexdef(x.indexrelid) \
      FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS r ON r.oid = x.indrelid \
      WHERE x.indisunique AND r.relnamespace = 'public'::regnamespace";

/// What statements meet in a database.
struct Schema {
    columns: BTreeMap<(String, String), Column>,
    conditions: BTreeSet<(String, String)>,
}

impl Schema {
    async fn of_sqlite(connection: &mut SqliteConnection) -> Self {
        let columns = sqlx::query_as(COLUMNS_IN_SQLITE).fetch_all(&mut *connection).await;
        let conditions = sqlx::query_as(CONDITIONS_IN_SQLITE).fetch_all(connection).await;
        Self::of(columns.expect("columns"), conditions.expect("conditions"))
    }

    async fn of_postgres(connection: &mut PgConnection) -> Self {
        let columns = sqlx::query_as(COLUMNS_IN_POSTGRES).fetch_all(&mut *connection).await;
        let conditions = sqlx::query_as(CONDITIONS_IN_POSTGRES).fetch_all(connection).await;
        Self::of(columns.expect("columns"), conditions.expect("conditions"))
    }

    fn of(
        columns: Vec<(String, String, String, bool, bool)>,
        conditions: Vec<(String, String)>,
    ) -> Self {
        assert!(columns.len() > 50 && conditions.len() > 5, "{columns:?} {conditions:?}");
        let columns = columns.into_iter().map(|(table, column, kind, may_be_null, has_default)| {
            ((table, column), Column { kind, may_be_null, has_default })
        });
        Self { columns: columns.collect(), conditions: conditions.into_iter().collect() }
    }

    /// What whoever knows this schema alone would run into on a later one.
    fn troubles_on(&self, later: &Self) -> Vec<String> {
        let mut troubles = Vec::new();
        for (named, column) in &self.columns {
            match later.columns.get(named) {
                None => troubles.push(format!("gone: {named:?}")),
                Some(now) if now.kind != column.kind => {
                    troubles.push(format!("other: {named:?} {now:?}"));
                }
                Some(now)
                    if (column.may_be_null && !now.may_be_null)
                        || (column.has_default && !now.has_default) =>
                {
                    troubles.push(format!("must be written: {named:?}"));
                }
                Some(_) => {}
            }
        }
        let tables: BTreeSet<&str> = self.columns.keys().map(|(table, _)| &**table).collect();
        let is_known = |table: &str| tables.contains(table);
        for (named, column) in &later.columns {
            let is_new = is_known(&named.0) && !self.columns.contains_key(named);
            if is_new && !column.may_be_null && !column.has_default {
                troubles.push(format!("must be written: {named:?}"));
            }
        }
        let new = later.conditions.difference(&self.conditions);
        troubles
            .extend(new.filter(|(table, _)| is_known(table)).map(|new| format!("new: {new:?}")));
        troubles
    }
}

/// The versions whose schemas are kept, the newest last.
fn versions() -> Vec<i64> {
    let kept = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas"));
    let names = kept.expect("schemas").map(|entry| entry.expect("an entry").file_name());
    let mut versions: Vec<i64> = names
        .map(|name| name.to_str().and_then(|name| name.parse().ok()).expect("a version"))
        .collect();
    versions.sort_unstable();
    assert!(versions.len() >= 3, "{versions:?}");
    versions
}

/// The statements of a version, by name.
fn statements(version: i64, dialect: &str) -> Vec<(String, String)> {
    let text = read(&kept(version, &format!("statements.{dialect}.sql")));
    let statements = text.split("-- ").skip(1).map(|one| {
        let (name, sql) = one.split_once('\n').expect("a name and a statement");
        (name.to_owned(), sql.trim_end().trim_end_matches(';').to_owned())
    });
    let statements: Vec<_> = statements.collect();
    assert!(statements.len() > 60, "{} statements", statements.len());
    statements
}

async fn new_sqlite(directory: &tempfile::TempDir) -> SqliteConnection {
    let path = directory.path().join("new.db");
    SqliteFile::open(&path, Durability::default()).await.expect("a database").close().await;
    connect(&path).await
}

async fn new_postgres() -> PgConnection {
    let database = fresh_database().await.expect("a database");
    let url = PostgresUrl::parse(database.url()).expect("a URL");
    PostgresServer::open(&url, PostgresLimits::default()).await.expect("a database").close().await;
    PgConnection::connect(database.url()).await.expect("a connection")
}

#[tokio::test]
async fn earlier_versions_statements_run_on_todays_sqlite_schema() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut connection = new_sqlite(&directory).await;
    for version in versions() {
        for (name, sql) in statements(version, "sqlite") {
            let prepared = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await;
            prepared.unwrap_or_else(|error| panic!("{name} of version {version}: {error}"));
        }
    }
}

#[tokio::test]
async fn earlier_versions_statements_run_on_todays_postgres_schema() {
    let mut connection = new_postgres().await;
    for version in versions() {
        for (name, sql) in statements(version, "postgres") {
            let selects_a_value = sql.contains("SELECT $");
            if let Err(error) = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await {
                // As with today's: the driver says what such a value is when it binds it.
                let is_untyped = error.to_string().contains("but expression is of type text");
                assert!(is_untyped && selects_a_value, "{name} of version {version}: {error}");
            }
        }
    }
}

/// A later release that has noted it does not keep this one from starting: its servers restart
/// in the middle of an upgrade, and come back if that is undone.
#[tokio::test]
async fn this_version_starts_beside_a_later_one_that_says_so() {
    const LATER: &str = "INSERT INTO countersign_migrations (version, name, runs_beside) \
        SELECT max(version) + 1, 'later', max(version) FROM countersign_migrations";
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("new.db");
    let database = fresh_database().await.expect("a database");
    let url = PostgresUrl::parse(database.url()).expect("a URL");
    drop(SqliteFile::open(&path, Durability::default()).await.expect("a file"));
    drop(PostgresServer::open(&url, PostgresLimits::default()).await.expect("a database"));
    // The second step is beside the first alone.
    for starts in [true, false] {
        let mut connection = PgConnection::connect(database.url()).await.expect("a connection");
        let step = sqlx::query(LATER);
        step.execute(&mut connection).await.expect("a step");
        let step = sqlx::query(LATER);
        step.execute(&mut connect(&path).await).await.expect("a step");
        let opened = PostgresServer::open(&url, PostgresLimits::default()).await;
        assert_eq!(opened.is_ok(), starts, "{opened:?}");
        let opened = SqliteFile::open(&path, Durability::default()).await;
        assert_eq!(opened.is_ok(), starts, "{opened:?}");
    }
}

#[tokio::test]
async fn todays_sqlite_schema_refuses_no_row_of_earlier_versions() {
    let directory = tempfile::tempdir().expect("a directory");
    let today = Schema::of_sqlite(&mut new_sqlite(&directory).await).await;
    for version in versions() {
        let path = directory.path().join(format!("{version}.db"));
        let earlier = Schema::of_sqlite(&mut restored_sqlite(&path, version).await).await;
        let troubles = earlier.troubles_on(&today);
        assert!(troubles.is_empty(), "version {version}: {troubles:#?}");
    }
}

#[tokio::test]
async fn todays_postgres_schema_refuses_no_row_of_earlier_versions() {
    let today = Schema::of_postgres(&mut new_postgres().await).await;
    for version in versions() {
        let database = fresh_database().await.expect("a database");
        let mut connection = restored_postgres(database.url(), version).await;
        let troubles = Schema::of_postgres(&mut connection).await.troubles_on(&today);
        assert!(troubles.is_empty(), "version {version}: {troubles:#?}");
    }
}

/// The comparison is of use only if it finds what a careless step does.
#[tokio::test]
async fn steps_that_are_not_compatible_are_noticed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut connection = new_sqlite(&directory).await;
    let before = Schema::of_sqlite(&mut connection).await;
    for (step, trouble) in [
        ("ALTER TABLE countersign_audit RENAME COLUMN address TO client", "gone"),
        ("ALTER TABLE countersign_audit ADD COLUMN region TEXT NOT NULL DEFAULT 'here'", ""),
        ("CREATE UNIQUE INDEX one_comment ON countersign_public_keys (comment)", "new"),
        ("DROP TABLE countersign_jwks_endpoints", "gone"),
        (
            "DROP TABLE countersign_secrets; CREATE TABLE countersign_secrets (name TEXT NOT NULL \
          PRIMARY KEY, sealed BLOB NOT NULL, owner TEXT NOT NULL)",
            "must be written",
        ),
    ] {
        let mut changed = connection.begin().await.expect("a transaction");
        sqlx::raw_sql(step).execute(&mut *changed).await.expect(step);
        let troubles = before.troubles_on(&Schema::of_sqlite(&mut changed).await);
        let noticed = troubles.iter().any(|found| found.starts_with(trouble));
        assert_eq!(noticed, !trouble.is_empty(), "{step}: {troubles:?}");
        changed.rollback().await.expect("an end");
    }
}

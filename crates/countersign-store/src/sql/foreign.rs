//! Another program's database, which is only read.
//!
//! Values are as they stand there, unverified: what cannot be imported must be told by
//! its row.

mod asymmetric_jwt_auth;
mod jwthenticator;

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::postgres::{PostgresUrl, READ};
use super::query::{Connection, EitherRow, Query, query};

pub use asymmetric_jwt_auth::{ForeignAccount, ForeignEndpoint, ForeignPublicKey};
pub use jwthenticator::{ForeignApiKey, ForeignRefreshToken};

/// How many rows are read at once.
const PAGE: i64 = 1000;
/// How long a program that writes into a SQLite file is waited for.
const WAIT: Duration = Duration::from_secs(5);
/// Before every row: ids count up from here.
const BEFORE_ALL: i64 = i64::MIN;

/// $1 table, $2 column. PostgreSQL looks where unqualified names are looked for.
const SQLITE_COLUMN: &str = "SELECT name FROM pragma_table_info($1) WHERE name = $2";
const POSTGRES_COLUMN: &str = "SELECT CAST(attname AS TEXT) FROM pg_attribute \
    WHERE attrelid = to_regclass($1) AND attname = CAST($2 AS NAME) AND NOT attisdropped";

/// Why another program's database cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// It is some other database.
    #[error("it has no table `{0}`")]
    NoTable(&'static str),
    /// It cannot be opened or reached, or does not answer.
    #[error(transparent)]
    Unusable(#[from] sqlx::Error),
}

/// An open database of another program.
///
/// From PostgreSQL everything is read in one read-only transaction, so it is as it was
/// at one instant. Of a SQLite file each page is read by itself: a longer transaction
/// would keep the program that owns it from writing.
#[derive(Debug)]
pub struct ForeignDatabase {
    connection: Connection,
}

impl ForeignDatabase {
    /// Opens a SQLite file for reading. Another program may be writing into it.
    ///
    /// # Errors
    /// [`ForeignError::Unusable`]; no file is made.
    pub async fn open_sqlite(path: &Path) -> Result<Self, ForeignError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(WAIT);
        Ok(Self { connection: Connection::Sqlite(options.connect().await?) })
    }

    /// Connects to a PostgreSQL server and begins to read.
    ///
    /// # Errors
    /// [`ForeignError::Unusable`], also if connecting takes longer than that.
    pub async fn open_postgres(url: &PostgresUrl, within: Duration) -> Result<Self, ForeignError> {
        let connection = tokio::time::timeout(within, url.options().connect()).await;
        let mut connection: PgConnection = connection.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        sqlx::raw_sql(READ).execute(&mut connection).await?;
        Ok(Self { connection: Connection::Postgres(connection) })
    }

    /// Ends the connection.
    pub async fn close(self) {
        // It was only read, so there is nothing to lose.
        let _ = match self.connection {
            Connection::Sqlite(connection) => connection.close().await,
            Connection::Postgres(connection) => connection.close().await,
        };
    }

    async fn has_column(&mut self, table: &str, column: &str) -> Result<bool, ForeignError> {
        let sql = match &self.connection {
            Connection::Sqlite(_) => SQLITE_COLUMN,
            Connection::Postgres(_) => POSTGRES_COLUMN,
        };
        Ok(query(sql).bind(table).bind(column).held(&mut self.connection).await?)
    }

    async fn require(&mut self, table: &'static str) -> Result<(), ForeignError> {
        if self.has_column(table, "id").await? { Ok(()) } else { Err(ForeignError::NoTable(table)) }
    }

    async fn all<T: EitherRow>(&mut self, query: Query) -> Result<Vec<T>, ForeignError> {
        Ok(query.all(&mut self.connection).await?)
    }
}

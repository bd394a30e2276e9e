//! The database behind a store: a SQLite file or a PostgreSQL server.

use super::postgres::PostgresServer;
use super::query::{Connection, Transaction};
use super::sqlite::SqliteFile;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A later release of this program has been here.
    #[error(
        "the database has schema version {found}, this program knows versions up to {known}: \
         start the newer program, or restore the backup made before it was started"
    )]
    Newer {
        /// The version in the database.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// A step of the schema failed; the database is as it was before.
    #[error("migration {version} ({name}) failed: {error}")]
    Migration {
        /// Its number.
        version: i64,
        /// Its name.
        name: &'static str,
        /// What the database says.
        error: sqlx::Error,
    },
    /// There is no room for what it needs.
    #[error("its disk is full: make room and start again ({0})")]
    DiskFull(sqlx::Error),
    /// It cannot be opened or reached, is no such database, or does not answer.
    #[error(transparent)]
    Unusable(sqlx::Error),
}

/// What SQLite says of a full disk: `SQLITE_FULL`, or, where it is the memory that its
/// connections share which finds no room, `SQLITE_IOERR_SHMSIZE`.
const SQLITE_ON_A_FULL_DISK: [&str; 2] = ["13", "4874"];

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.is_some_and(|code| SQLITE_ON_A_FULL_DISK.contains(&&*code)) {
            Self::DiskFull(error)
        } else {
            Self::Unusable(error)
        }
    }
}

/// An open database with the schema of this program. Clones share it.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file that belongs to one program.
    Sqlite(SqliteFile),
    /// A server that several programs share.
    Postgres(PostgresServer),
}

impl Database {
    /// Begins a transaction that waits until no other such transaction is under
    /// way, so that all its conditions are judged on the same state.
    pub(crate) async fn write(&self) -> Result<Transaction, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.write().await.map(Transaction::Sqlite),
            Self::Postgres(server) => server.write().await.map(Transaction::Postgres),
        }
    }

    /// Begins a transaction whose statements all read the same state.
    pub(crate) async fn read(&self) -> Result<Transaction, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.read().await.map(Transaction::Sqlite),
            Self::Postgres(server) => server.read().await.map(Transaction::Postgres),
        }
    }

    /// A connection of one's own, for single statements that are too many to queue
    /// with the others.
    pub(crate) async fn connect(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.connect().await.map(Connection::Sqlite),
            Self::Postgres(server) => server.connect().await.map(Connection::Postgres),
        }
    }

    /// How many connections there are.
    pub fn connections(&self) -> Connections {
        match self {
            Self::Sqlite(file) => file.connections(),
            Self::Postgres(server) => server.connections(),
        }
    }

    /// Ends all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(file) => file.close().await,
            Self::Postgres(server) => server.close().await,
        }
    }
}

/// The connections to a database that are kept for whoever needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// How many are open.
    pub open: u32,
    /// How many of them nobody uses.
    pub idle: u32,
}

impl Connections {
    pub(super) fn of<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) -> Self {
        let open = pool.size();
        // The two are not read at one moment.
        let idle = u32::try_from(pool.num_idle()).map_or(open, |idle| idle.min(open));
        Self { open, idle }
    }
}

impl From<SqliteFile> for Database {
    fn from(file: SqliteFile) -> Self {
        Self::Sqlite(file)
    }
}

impl From<PostgresServer> for Database {
    fn from(server: PostgresServer) -> Self {
        Self::Postgres(server)
    }
}

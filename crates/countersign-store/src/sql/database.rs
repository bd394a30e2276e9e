//! A SQLite database file: opened, brought up to date, shared by its users.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Sqlite, SqliteConnection, Transaction};

use super::migrations;

/// How long a writer waits for another one, and anyone for a connection.
const WAIT: Duration = Duration::from_secs(5);
/// How many connections read at the same time.
const READERS: u32 = 4;

/// What a commit survives. A commit always survives the end of the process,
/// `kill -9` included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process (`synchronous = NORMAL`).
    #[default]
    ProcessCrash,
    /// Power loss too (`synchronous = FULL`); commits take several times longer.
    PowerLoss,
}

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
        /// What SQLite says.
        error: sqlx::Error,
    },
    /// The file cannot be opened, is not a SQLite database, or does not answer.
    #[error(transparent)]
    Unusable(#[from] sqlx::Error),
}

/// An open database with the schema of this program. Clones share it.
///
/// Writers queue for one connection here instead of retrying against the file's
/// lock; readers see the last commit and wait for nobody (write-ahead log).
#[derive(Clone, Debug)]
pub struct Database {
    options: SqliteConnectOptions,
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    /// Opens the file, making it if need be, and applies pending migrations.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then.
    pub async fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        let options = connect_options(path, durability);
        let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(WAIT);
        let writer = pool(1).connect_lazy_with(options.clone());
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        migrations::apply(&mut transaction).await?;
        transaction.commit().await?;
        let readers = pool(READERS).connect_lazy_with(options.clone());
        Ok(Self { options, writer, readers })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.options.get_filename()
    }

    /// Begins a transaction that holds the write lock from its first statement
    /// on, so that all its conditions are judged on the same state.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// A connection of one's own, for a writer of single statements that is too
    /// busy to queue with the others.
    pub(crate) async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.options.connect().await
    }

    /// Begins a transaction whose statements all read the same state.
    pub(crate) async fn read(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.readers.begin().await
    }

    /// Ends all connections, folding the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// How every connection to the file is made, also by those with one of their own.
pub(crate) fn connect_options(path: &Path, durability: Durability) -> SqliteConnectOptions {
    let synchronous = match durability {
        Durability::ProcessCrash => SqliteSynchronous::Normal,
        Durability::PowerLoss => SqliteSynchronous::Full,
    };
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(WAIT)
        .foreign_keys(true)
}

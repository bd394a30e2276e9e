//! A SQLite file: opened, brought up to date, shared by its users.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Sqlite, SqliteConnection};

use super::database::{Connections, OpenError};
use super::migrations;
use super::query::Transaction;

/// How long a writer waits for another one, and anyone for a connection.
const WAIT: Duration = Duration::from_secs(5);
/// How long to wait before a file that another program sets up is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// How many connections read: each takes memory also when nobody asks, and requests
/// are answered from memory.
const READERS: u32 = 1;

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

/// An open SQLite file with the schema of this program. Clones share it.
///
/// Writers queue for one connection here instead of retrying against the file's
/// lock; readers see the last commit and wait for no writer (write-ahead log).
#[derive(Clone, Debug)]
pub struct SqliteFile {
    options: SqliteConnectOptions,
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteFile {
    /// Opens the file, making it if need be, and applies pending migrations.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then.
    pub async fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        let options = connect_options(path, durability);
        let writer = pool(1).idle_timeout(None).connect_lazy_with(options.clone());
        let mut transaction = Transaction::Sqlite(first_transaction(&writer).await?);
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
    pub(crate) async fn write(&self) -> Result<sqlx::Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// A connection of one's own, for a writer of single statements that is too
    /// busy to queue with the others.
    pub(crate) async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.options.connect().await
    }

    /// Begins a transaction whose statements all read the same state.
    pub(crate) async fn read(&self) -> Result<sqlx::Transaction<'static, Sqlite>, sqlx::Error> {
        self.readers.begin().await
    }

    /// How many connections there are.
    pub fn connections(&self) -> Connections {
        let (writer, readers) = (Connections::of(&self.writer), Connections::of(&self.readers));
        Connections { open: writer.open + readers.open, idle: writer.idle + readers.idle }
    }

    /// Ends all connections, folding the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Connections to a file do not break, so they are neither tried before each use
/// nor replaced after a while.
fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(WAIT)
        .test_before_acquire(false)
        .max_lifetime(None)
}

/// Connects and begins. Only one program can turn a new file into one with a
/// write-ahead log, and SQLite does not make the others wait for it.
async fn first_transaction(
    writer: &SqlitePool,
) -> Result<sqlx::Transaction<'static, Sqlite>, sqlx::Error> {
    let mut waited = Duration::ZERO;
    loop {
        match writer.begin_with("BEGIN IMMEDIATE").await {
            Err(error) if is_busy(&error) && waited < WAIT => {
                tokio::time::sleep(BUSY_PAUSE).await;
                waited += BUSY_PAUSE;
            }
            done => return done,
        }
    }
}

/// `SQLITE_BUSY`, with or without a more exact code in the upper bits.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
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

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    async fn open(path: &Path) -> Result<SqliteFile, OpenError> {
        SqliteFile::open(path, Durability::default()).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn programs_that_start_together_migrate_once() {
        for _ in 0..8 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("countersign.db");
            let mut starts = JoinSet::new();
            for _ in 0..8 {
                let path = path.clone();
                starts.spawn(async move { open(&path).await.map(|_| ()) });
            }
            for started in starts.join_all().await {
                started.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_database_of_a_later_release_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("countersign.db");
        let database = open(&path).await.unwrap();
        let mut writing = database.write().await.unwrap();
        sqlx::query("INSERT INTO countersign_migrations (version, name) VALUES (1000, 'later')")
            .execute(&mut *writing)
            .await
            .unwrap();
        writing.commit().await.unwrap();
        database.close().await;
        let refused = open(&path).await.unwrap_err();
        assert!(matches!(refused, OpenError::Newer { found: 1000, .. }), "{refused}");
        assert!(refused.to_string().contains("schema version 1000"), "{refused}");
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("countersign.db");
        let text = "someone's notes, not a database. ".repeat(100);
        std::fs::write(&path, &text).unwrap();
        let refused = open(&path).await.unwrap_err();
        assert!(refused.to_string().contains("file is not a database"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[tokio::test]
    async fn connections_are_set_up_as_promised() {
        for (durability, synchronous) in [(Durability::ProcessCrash, 1), (Durability::PowerLoss, 2)]
        {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("countersign.db");
            let database = SqliteFile::open(&path, durability).await.unwrap();
            let mut reading = database.read().await.unwrap();
            let number = |pragma| sqlx::query_scalar::<_, i64>(pragma);
            let found = number("PRAGMA synchronous").fetch_one(&mut *reading).await.unwrap();
            assert_eq!(found, synchronous);
            let found = number("PRAGMA foreign_keys").fetch_one(&mut *reading).await.unwrap();
            assert_eq!(found, 1);
            let mode: String =
                sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *reading).await.unwrap();
            assert_eq!(mode, "wal");
        }
    }
}

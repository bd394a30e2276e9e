//! A PostgreSQL server: connected to, brought up to date, shared by its users.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Postgres};

use super::database::{Connections, OpenError};
use super::migrations;
use super::query::Transaction;

/// What programs that change accounts, keys or the schema wait for one another on: a
/// number that other users of the database are unlikely to choose.
const TURN: i64 = 0x636f_756e_7465_7273;
/// Taken by the first statement of a transaction and given back with its end.
const TAKE_TURN: &str = "SELECT pg_advisory_xact_lock($1)";
/// Where whoever follows the audit trail hears that there is more of it.
pub(super) const NEWS: &str = "countersign_audit";
/// Said when the transaction is committed, once, however often it is asked for.
pub(super) const TELL: &str = "SELECT pg_notify('countersign_audit', '')";
/// The statements of a transaction read the state at the first of them.
pub(super) const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// How a PostgreSQL server is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostgresLimits {
    /// How many connections at most, besides those that have one purpose each: following the
    /// trail takes two, the place at the database, refresh tokens and spent nonces one each.
    pub connections: u32,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long one statement may take (`statement_timeout`).
    pub statement_timeout: Duration,
}

impl Default for PostgresLimits {
    fn default() -> Self {
        Self {
            connections: 8,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
        }
    }
}

/// The URL names no PostgreSQL database. It is not repeated here: it may hold a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no PostgreSQL URL, expected for example postgres://user:password@host:5432/database: {0}")]
pub struct PostgresUrlError(String);

/// Where a PostgreSQL database is, and how to sign in to it.
#[derive(Clone)]
pub struct PostgresUrl(PgConnectOptions);

impl PostgresUrl {
    /// Reads `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=FILE`.
    ///
    /// # Errors
    /// [`PostgresUrlError`] if it is none.
    pub fn parse(text: &str) -> Result<Self, PostgresUrlError> {
        let is_one = ["postgres://", "postgresql://"].iter().any(|start| text.starts_with(start));
        if !is_one {
            return Err(PostgresUrlError("it begins with another word".to_owned()));
        }
        let options = PgConnectOptions::from_str(text);
        options.map(Self).map_err(|error| PostgresUrlError(without(text, &error)))
    }
}

impl fmt::Debug for PostgresUrl {
    /// The options know the password, and show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUrl").field("host", &self.0.get_host()).finish_non_exhaustive()
    }
}

impl PostgresUrl {
    /// How to connect there.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.0
    }
}

/// What is wrong, but for the text itself.
fn without(text: &str, error: &sqlx::Error) -> String {
    error.to_string().replace(text, "..")
}

/// A PostgreSQL database with the schema of this program. Clones share its
/// connections.
#[derive(Clone)]
pub struct PostgresServer {
    url: PostgresUrl,
    pool: PgPool,
}

impl fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresServer").field(&self.url).finish()
    }
}

impl PostgresServer {
    /// Connects and applies pending migrations. Programs that start at the same time
    /// wait for one another.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then.
    pub async fn open(url: &PostgresUrl, limits: PostgresLimits) -> Result<Self, OpenError> {
        let timeout = limits.statement_timeout.as_millis().to_string();
        let PostgresUrl(options) = url.clone();
        let options =
            options.application_name("countersign").options([("statement_timeout", timeout)]);
        let pool = PgPoolOptions::new()
            .max_connections(limits.connections)
            .acquire_timeout(limits.connect_timeout)
            .connect_lazy_with(options.clone());
        let server = Self { url: PostgresUrl(options), pool };
        // By itself, so that what keeps the server from being reached is said, and
        // not that there was no connection in time.
        let reach = tokio::time::timeout(limits.connect_timeout, server.connect());
        match reach.await {
            Ok(connection) => connection?.close().await?,
            Err(_) => return Err(OpenError::Unusable(sqlx::Error::PoolTimedOut)),
        }
        let mut transaction = Transaction::Postgres(server.write().await?);
        migrations::apply(&mut transaction).await?;
        transaction.commit().await?;
        Ok(server)
    }

    pub(super) async fn write(&self) -> Result<sqlx::Transaction<'static, Postgres>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(TAKE_TURN).bind(TURN).execute(&mut *transaction).await?;
        Ok(transaction)
    }

    pub(super) async fn read(&self) -> Result<sqlx::Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin_with(READ).await
    }

    /// A connection of one's own.
    pub(crate) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        self.url.0.connect().await
    }

    /// For one connection that stays, whatever the others do.
    pub(super) fn pool_of_one(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.url.0.clone())
    }

    /// How many connections there are.
    pub fn connections(&self) -> Connections {
        Connections::of(&self.pool)
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

//! Which servers are at work on a PostgreSQL database, for others that would start there.
//!
//! Each holds an advisory lock for as long as its connection lasts: together with others, or
//! alone, if it remembers by itself what nobody may use twice. The lock is a transaction's,
//! which nothing else happens in: a pooler leaves it with its connection and ends it with that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::postgres::PostgresServer;

/// What servers hold: a number that other users of the database are unlikely to choose.
const SERVERS: i64 = 0x636f_756e_7365_7276;
/// How often a taken lock is tried again, and a held one's connection is looked at.
const BETWEEN_TRIES: Duration = Duration::from_millis(200);
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// So that the database notices within a quarter of a minute that a server's machine is gone.
const BEGIN: [&str; 5] = [
    // Holds no snapshot between its statements, so that vacuuming goes on.
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL tcp_keepalives_idle = 5",
    "SET LOCAL tcp_keepalives_interval = 3",
    "SET LOCAL tcp_keepalives_count = 3",
];

/// With whom a server works on its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// With any number of its kind.
    Others,
    /// With nobody.
    Nobody,
}

/// Why a server may not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// The servers that are there do not go together with it.
    #[error("another server is at work on the database")]
    Taken,
    /// The database does not answer.
    #[error(transparent)]
    Unusable(#[from] sqlx::Error),
}

/// A server's place at its database, until it is dropped.
#[derive(Debug)]
pub struct Presence {
    is_taken: Arc<AtomicBool>,
    _task: DropGuard,
}

impl Presence {
    /// Takes a place, in the current runtime, and waits up to `patience` for one that others
    /// are about to leave.
    ///
    /// Whoever had it before may have accepted tokens that this server knows nothing of. Where
    /// somebody did, the place is only taken up after `window`, in which all of them expire.
    ///
    /// # Errors
    /// [`PresenceError`].
    pub async fn take(
        server: PostgresServer,
        company: Company,
        (patience, window): (Duration, Duration),
    ) -> Result<Self, PresenceError> {
        let connection = first(&server, company, (patience, window)).await?;
        let is_taken = Arc::new(AtomicBool::new(false));
        let stop = CancellationToken::new();
        let keeping = keep((server, company, window), connection, Arc::clone(&is_taken));
        tokio::spawn(stop.clone().run_until_cancelled_owned(keeping));
        Ok(Self { is_taken, _task: stop.drop_guard() })
    }

    /// Whether others took the place while this server had lost its connection, and what they
    /// accepted may still be good.
    pub fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Relaxed)
    }
}

async fn first(
    server: &PostgresServer,
    company: Company,
    (patience, window): (Duration, Duration),
) -> Result<PgConnection, PresenceError> {
    let mut connection = connect(server).await?;
    let until = Instant::now() + patience;
    if lock(&mut connection, company).await? {
        return Ok(connection);
    }
    tracing::info!(?patience, "another server is at work on the database: waiting for its end");
    while Instant::now() < until {
        sleep(BETWEEN_TRIES).await;
        if lock(&mut connection, company).await? {
            tracing::info!(?window, "it has ended: waiting for what it accepted to expire");
            sleep(window).await;
            return Ok(connection);
        }
    }
    Err(PresenceError::Taken)
}

/// Looks at the connection, and takes the place again after it was lost.
async fn keep(
    (server, company, window): (PostgresServer, Company, Duration),
    mut connection: PgConnection,
    is_taken: Arc<AtomicBool>,
) {
    loop {
        while ask(&mut connection).await.is_ok() {
            sleep(BETWEEN_LOOKS).await;
        }
        tracing::warn!("the connection that keeps this server's place at the database is lost");
        // It may only be slow, and would hold the place against the next one.
        drop(connection);
        connection = again(&server, company, &is_taken).await;
        if is_taken.load(Ordering::Relaxed) {
            sleep(window).await;
            is_taken.store(false, Ordering::Relaxed);
        }
        tracing::info!("this server has its place at the database again");
    }
}

async fn again(server: &PostgresServer, company: Company, is_taken: &AtomicBool) -> PgConnection {
    loop {
        sleep(BETWEEN_LOOKS).await;
        let Ok(mut connection) = connect(server).await else { continue };
        match lock(&mut connection, company).await {
            Ok(true) => return connection,
            Ok(false) => {
                if !is_taken.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        "another server has taken this one's place at the database: signed \
                         requests get 503 until it ends"
                    );
                }
            }
            Err(error) => tracing::warn!(%error, "no place at the database"),
        }
    }
}

async fn connect(server: &PostgresServer) -> Result<PgConnection, sqlx::Error> {
    let mut connection = in_time(server.connect()).await?;
    for statement in BEGIN {
        in_time(sqlx::query(statement).execute(&mut connection)).await?;
    }
    Ok(connection)
}

async fn lock(connection: &mut PgConnection, company: Company) -> Result<bool, sqlx::Error> {
    let lock = match company {
        Company::Others => "SELECT pg_try_advisory_xact_lock_shared($1)",
        Company::Nobody => "SELECT pg_try_advisory_xact_lock($1)",
    };
    in_time(sqlx::query_scalar(lock).bind(SERVERS).fetch_one(connection)).await
}

async fn ask(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    in_time(sqlx::query("SELECT 1").execute(connection)).await.map(drop)
}

async fn in_time<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(ANSWER, answer).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

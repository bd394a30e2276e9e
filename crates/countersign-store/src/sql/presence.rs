//! Which servers are at work on a PostgreSQL database, for others that would start there.
//!
//! Each holds advisory locks for as long as its connection lasts: together with others that
//! remember used tokens in the same memory, or alone, if its memory is its own. The locks are a
//! transaction's, which nothing else happens in: a pooler leaves it with its connection and ends
//! them with that.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::postgres::PostgresServer;
use crate::replay::{Memory, MemoryId};

/// What servers hold: a number that other users of the database are unlikely to choose. Those of
/// earlier versions hold nothing else.
const SERVERS: i64 = 0x636f_756e_7365_7276;
/// What those hold beside it that share a memory, together with its number.
const MEMORIES: i32 = 0x636f_756e;
/// What a server holds while it looks for others and joins them, so that of two that come at
/// once one sees the other. It is let go by hand, long before the transaction ends.
const TURN: i64 = SERVERS + 1;
/// Joins those who share a memory, if nobody is there who has another.
const JOIN: &str = "SELECT CASE \
    WHEN EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND classid::bigint = $2::int AND objid::bigint <> $3::int AND granted) THEN 'elsewhere' \
    WHEN NOT pg_try_advisory_xact_lock_shared($1) THEN 'taken' \
    WHEN pg_try_advisory_xact_lock_shared($2::int, $3::int) THEN 'given' \
    END";
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

/// Why a server may not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// The servers that are there do not go together with it: its memory is its own, or theirs is.
    #[error("another server is at work on the database")]
    Taken,
    /// The servers that are there share another memory.
    #[error("servers that share another memory of used tokens are at work on the database")]
    Elsewhere,
    /// The database does not answer.
    #[error(transparent)]
    Unusable(#[from] sqlx::Error),
}

/// A server's place at its database, until it is dropped.
#[derive(Debug)]
pub struct Presence {
    shown: Arc<Shown>,
    memory: watch::Receiver<Memory>,
    _task: DropGuard,
}

/// What the task has to say: with which memory the place was given, as long as nobody else is
/// known to have taken it.
type Shown = ArcSwap<Option<Memory>>;

/// Who keeps a place.
struct Keeper {
    server: PostgresServer,
    memory: watch::Receiver<Memory>,
    /// How long what others have accepted may still be good.
    window: Duration,
    shown: Arc<Shown>,
}

impl Presence {
    /// Takes a place, in the current runtime, and waits up to `patience` for one that others
    /// are about to leave. If the memory becomes known or another later, another place is taken
    /// then.
    ///
    /// Whoever had it before may have accepted tokens that this server knows nothing of. Where
    /// somebody did, the place is only taken up after `window`, in which all of them expire.
    ///
    /// # Errors
    /// [`PresenceError`].
    pub async fn take(
        server: PostgresServer,
        mut memory: watch::Receiver<Memory>,
        (patience, window): (Duration, Duration),
    ) -> Result<Self, PresenceError> {
        let first = *memory.borrow_and_update();
        let connection = wait(&server, first, (patience, window)).await?;
        let shown = Arc::new(ArcSwap::from_pointee(Some(first)));
        let keeper = Keeper { server, window, memory: memory.clone(), shown: Arc::clone(&shown) };
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(keeper.keep(connection)));
        Ok(Self { shown, memory, _task: stop.drop_guard() })
    }

    /// Whether this server has its place, with the memory that it has now. It has not while
    /// others took it, when the connection was lost or the memory became another, and what they
    /// accepted may still be good. A memory that is not known has its place, and accepts nothing.
    pub fn is_kept(&self) -> bool {
        **self.shown.load() == Some(*self.memory.borrow())
    }
}

async fn wait(
    server: &PostgresServer,
    memory: Memory,
    (patience, window): (Duration, Duration),
) -> Result<PgConnection, PresenceError> {
    let mut connection = connect(server).await?;
    let until = Instant::now() + patience;
    let mut refused = match lock(&mut connection, memory).await {
        Ok(()) => return Ok(connection),
        Err(error @ PresenceError::Unusable(_)) => return Err(error),
        Err(refused) => refused,
    };
    tracing::info!(?patience, "{refused}: waiting for its end");
    while Instant::now() < until {
        sleep(BETWEEN_TRIES).await;
        match lock(&mut connection, memory).await {
            Ok(()) => {
                tracing::info!(?window, "it has ended: waiting for what it accepted to expire");
                sleep(window).await;
                return Ok(connection);
            }
            Err(error @ PresenceError::Unusable(_)) => return Err(error),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

impl Keeper {
    /// Looks at the connection, and takes the place again after it was lost, or another with
    /// another memory.
    async fn keep(mut self, mut connection: PgConnection) {
        loop {
            tokio::select! {
                () = lost(&mut connection) => {
                    tracing::warn!("the connection that keeps this server's place is lost");
                    // It may only be slow, and would hold the place against the next one.
                    drop(connection);
                }
                Ok(()) = self.memory.changed() => {
                    let _ = in_time(connection.close()).await;
                }
            }
            connection = self.take().await;
            tracing::info!("this server has its place at the database again");
        }
    }

    async fn take(&mut self) -> PgConnection {
        let mut was_refused = false;
        // What refuses the first try may be the lock of the connection that was just lost.
        let mut is_first = true;
        let mut said = String::new();
        loop {
            let memory = *self.memory.borrow_and_update();
            match place(&self.server, memory).await {
                Ok(connection) => {
                    if was_refused {
                        sleep(self.window).await;
                    }
                    self.shown.store(Arc::new(Some(memory)));
                    return connection;
                }
                Err(error @ PresenceError::Unusable(_)) => {
                    // Not with each try.
                    if said != error.to_string() {
                        tracing::warn!(%error, "no place at the database");
                        said = error.to_string();
                    }
                }
                Err(_) if is_first => {}
                Err(error) => {
                    self.shown.store(Arc::new(None));
                    if !std::mem::replace(&mut was_refused, true) {
                        tracing::error!(
                            %error,
                            "others have this server's place at the database: signed requests \
                             get 503 until they end"
                        );
                    }
                }
            }
            is_first = false;
            sleep(BETWEEN_LOOKS).await;
        }
    }
}

async fn lost(connection: &mut PgConnection) {
    while ask(connection).await.is_ok() {
        sleep(BETWEEN_LOOKS).await;
    }
}

async fn place(server: &PostgresServer, memory: Memory) -> Result<PgConnection, PresenceError> {
    let mut connection = connect(server).await?;
    lock(&mut connection, memory).await?;
    Ok(connection)
}

async fn connect(server: &PostgresServer) -> Result<PgConnection, sqlx::Error> {
    let mut connection = in_time(server.connect()).await?;
    for statement in BEGIN {
        in_time(sqlx::query(statement).execute(&mut connection)).await?;
    }
    Ok(connection)
}

async fn lock(connection: &mut PgConnection, memory: Memory) -> Result<(), PresenceError> {
    let lock = match memory {
        Memory::Own => "SELECT pg_try_advisory_xact_lock($1)",
        Memory::Unknown => "SELECT pg_try_advisory_xact_lock_shared($1)",
        Memory::Shared(id) => return join(connection, id).await,
    };
    let is_given = in_time(sqlx::query_scalar(lock).bind(SERVERS).fetch_one(connection)).await?;
    if is_given { Ok(()) } else { Err(PresenceError::Taken) }
}

async fn join(connection: &mut PgConnection, id: MemoryId) -> Result<(), PresenceError> {
    let begin = sqlx::query("SELECT pg_advisory_lock($1)").bind(TURN);
    in_time(begin.execute(&mut *connection)).await?;
    let join = sqlx::query_scalar(JOIN).bind(SERVERS).bind(MEMORIES).bind(id.number());
    let answer: Option<String> = in_time(join.fetch_one(&mut *connection)).await?;
    let end = sqlx::query("SELECT pg_advisory_unlock($1)").bind(TURN);
    in_time(end.execute(connection)).await?;
    match answer.as_deref() {
        Some("given") => Ok(()),
        Some("elsewhere") => Err(PresenceError::Elsewhere),
        _ => Err(PresenceError::Taken),
    }
}

async fn ask(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    in_time(sqlx::query("SELECT 1").execute(connection)).await.map(drop)
}

async fn in_time<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(ANSWER, answer).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

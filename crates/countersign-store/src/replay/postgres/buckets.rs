//! Entering many uses into one bucket.

use std::collections::HashSet;
use std::time::Duration;

use countersign_core::UnixTime;
use sqlx::postgres::PgRow;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::epoch::Bucket;
use super::session::{Opener, Present, Session, identity, now, place, reached};
use super::writer::Waiting;

/// The statements for one of the tables.
struct Statements {
    enter: &'static str,
    own: &'static str,
    lock: &'static str,
    empty: &'static str,
    empty_slowly: &'static str,
}

/// The same for each table: which one it is must stand in the text.
macro_rules! statements {
    ($($table:literal)*) => {
        [$(Statements {
            // Whoever answers may be another than the last time: a pooler changes servers and
            // settings behind a connection. So each statement waits for the disk, whatever
            // the session was told, and enters nothing into a database that is not the
            // epoch's. The row that says what the bucket is for stays as it is until the
            // commit.
            enter: concat!(
                "WITH asked AS MATERIALIZED (SELECT CASE current_setting('synchronous_commit') \
                WHEN 'off' THEN set_config('synchronous_commit', 'on', true) ELSE '' END AS wait, \
                EXISTS (SELECT 1 FROM countersign_nonce_epoch AS present \
                WHERE number = $2 AND identity = $6 AND identity = ", identity!(), ") \
                AND ", reached!(), " >= $7 AS known, ", reached!(), " AS reached), \
                fit AS MATERIALIZED (SELECT 1 FROM countersign_nonce_buckets WHERE bucket = $1 \
                AND epoch = $2 AND starts_at = $3 \
                AND (SELECT known AND wait IS NOT NULL FROM asked) FOR SHARE), \
                entered AS (INSERT INTO ", $table, " (key, attempt) \
                SELECT key, attempt FROM unnest($4::bytea[], $5::bytea[]) AS uses (key, attempt) \
                WHERE EXISTS (SELECT 1 FROM fit) ON CONFLICT DO NOTHING RETURNING key) \
                SELECT known, reached, EXISTS (SELECT 1 FROM fit) AS fits, \
                ARRAY(SELECT key FROM entered) AS entered, ", now!(), " AS now FROM asked"
            ),
            own: concat!(
                "SELECT key FROM ", $table, " WHERE (key, attempt) IN \
                (SELECT key, attempt FROM unnest($1::bytea[], $2::bytea[]) AS uses (key, attempt))"
            ),
            lock: concat!("LOCK TABLE ", $table, " IN ACCESS EXCLUSIVE MODE"),
            empty: concat!("TRUNCATE ", $table),
            empty_slowly: concat!("DELETE FROM ", $table),
        },)*]
    };
}

const STATEMENTS: [Statements; 8] = statements!(
    "countersign_nonces_0" "countersign_nonces_1" "countersign_nonces_2" "countersign_nonces_3"
    "countersign_nonces_4" "countersign_nonces_5" "countersign_nonces_6" "countersign_nonces_7"
);
const TURN: &str = "UPDATE countersign_nonce_buckets SET starts_at = $3 \
    WHERE bucket = $1 AND epoch = $2 AND starts_at < $3";
const STATE: &str = "SELECT epoch, starts_at FROM countersign_nonce_buckets WHERE bucket = $1";

/// Those of the first table, by name.
#[cfg(test)]
pub(super) const ALL: [(&str, &str); 7] = [
    ("NONCES_ENTER", STATEMENTS[0].enter),
    ("NONCES_OWN", STATEMENTS[0].own),
    ("NONCES_LOCK", STATEMENTS[0].lock),
    ("NONCES_EMPTY", STATEMENTS[0].empty),
    ("NONCES_EMPTY_SLOWLY", STATEMENTS[0].empty_slowly),
    ("NONCE_BUCKET_TURN", TURN),
    ("NONCE_BUCKET_STATE", STATE),
];

/// The longest that emptying a bucket may take, row by row at the worst.
const TURNING: Duration = Duration::from_mins(1);

/// What became of some uses.
pub(super) enum Outcome {
    /// These keys were entered by these attempts, the others by others before.
    Entered(HashSet<Vec<u8>>),
    /// The bucket is already for later times, or would be for times that have not come.
    Outside,
    /// Another epoch has begun, or must.
    Stale,
}

/// Why nobody knows what became of some uses.
#[derive(Debug)]
pub(super) enum Doubt {
    /// The database says so.
    Database(sqlx::Error),
    /// It does not answer.
    Late(Duration),
    /// Its clock and this server's do not agree.
    Clock(String),
}

impl From<sqlx::Error> for Doubt {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Enters uses, which all fall into this bucket, and empties it if its turn has come.
/// `again` says that they may have been entered over a connection that broke.
pub(super) async fn enter(
    opener: &Opener,
    session: &mut Session,
    bucket: Bucket,
    uses: &mut [&Waiting],
    again: bool,
) -> Result<Outcome, Doubt> {
    // In one order everywhere, so that no two statements wait for each other.
    uses.sort_by_key(|waiting| *waiting.key.as_bytes());
    let keys: Vec<&[u8]> = uses.iter().map(|waiting| &waiting.key.as_bytes()[..]).collect();
    let attempts: Vec<&[u8]> = uses.iter().map(|waiting| &waiting.attempt.0[..]).collect();
    let (statements, epoch) = (&STATEMENTS[bucket.number], session.present.epoch);
    let limit = opener.limits.answer;
    loop {
        let asked = opener.now();
        let row =
            in_time(limit, enter_once(session, statements, bucket, (&keys, &attempts))).await?;
        if !row.try_get::<bool, _>("known")? {
            return Ok(Outcome::Stale);
        }
        session.present.reached = row.try_get("reached")?;
        let now = UnixTime::from_micros(row.try_get("now")?);
        opener.judge_clock(asked, now).map_err(Doubt::Clock)?;
        let Session { connection, .. } = &mut *session;
        if row.try_get::<bool, _>("fits")? {
            let entered: Vec<Vec<u8>> = row.try_get("entered")?;
            let mut entered: HashSet<_> = entered.into_iter().collect();
            if again && entered.len() < uses.len() {
                // Whoever was in their way has committed by now.
                let own =
                    sqlx::query_scalar::<_, Vec<u8>>(statements.own).bind(&keys).bind(&attempts);
                entered.extend(in_time(limit, own.fetch_all(connection)).await?);
            }
            return Ok(Outcome::Entered(entered));
        }
        // A clock that was wrong when the tokens were judged must not take the bucket from
        // those that others use.
        if UnixTime::from_micros(bucket.starts_at) > opener.latest(&epoch, now) {
            return Ok(Outcome::Outside);
        }
        let (found, starts_at) =
            in_time(TURNING, turn(connection, statements, (bucket, epoch.number))).await?;
        if found != epoch.number {
            return Ok(Outcome::Stale);
        }
        if starts_at > bucket.starts_at {
            return Ok(Outcome::Outside);
        }
    }
}

/// Enters them if the bucket is for their time.
async fn enter_once(
    session: &mut Session,
    statements: &Statements,
    bucket: Bucket,
    (keys, attempts): (&[&[u8]], &[&[u8]]),
) -> Result<PgRow, sqlx::Error> {
    let Session { connection, present: Present { epoch, identity, reached } } = session;
    let enter = sqlx::query(statements.enter)
        .bind(bucket.sql_number())
        .bind(epoch.number)
        .bind(bucket.starts_at)
        .bind(keys)
        .bind(attempts)
        .bind(&*identity)
        .bind(*reached);
    enter.fetch_one(connection).await
}

async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Doubt> {
    let answer = tokio::time::timeout(limit, answer).await;
    Ok(answer.map_err(|_| Doubt::Late(limit))??)
}

/// How long a lock on a whole table is waited for: those who enter uses wait behind it.
const LOCK_BRIEFLY: &str = "SET LOCAL lock_timeout = '50ms'";
const LOCK_PATIENTLY: &str = "SET LOCAL lock_timeout = 0";
/// `lock_not_available`.
const NOT_LOCKED: &str = "55P03";

/// Empties a bucket that was for earlier times, unless another server was faster. Its lock
/// comes first, as it does for those who enter uses. Whoever reads the table for long, a
/// backup for example, does not let it be locked: then its rows are deleted, which needs no
/// more than the bucket's row, as nobody enters a use without that.
///
/// The epoch and the time that it is for afterwards.
async fn turn(
    connection: &mut PgConnection,
    statements: &Statements,
    (bucket, epoch): (Bucket, i64),
) -> Result<(i64, i64), sqlx::Error> {
    let number = bucket.sql_number();
    let mut transaction = connection.begin().await?;
    sqlx::query(LOCK_BRIEFLY).execute(&mut *transaction).await?;
    let mut locking = transaction.begin().await?;
    let empty = match sqlx::query(statements.lock).execute(&mut *locking).await {
        Ok(_) => {
            locking.commit().await?;
            statements.empty
        }
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NOT_LOCKED) => {
            locking.rollback().await?;
            statements.empty_slowly
        }
        Err(error) => return Err(error),
    };
    sqlx::query(LOCK_PATIENTLY).execute(&mut *transaction).await?;
    let turned = sqlx::query(TURN).bind(number).bind(epoch).bind(bucket.starts_at);
    if turned.execute(&mut *transaction).await?.rows_affected() > 0 {
        sqlx::query(empty).execute(&mut *transaction).await?;
    }
    let state = sqlx::query_as(STATE).bind(number).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(state)
}

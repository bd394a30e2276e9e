//! Entering many uses into one bucket.

use std::collections::HashSet;

use countersign_core::UnixTime;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::epoch::Bucket;
use super::session::{Session, identity, now, place};
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
                WHERE number = $2 AND identity = $6 AND identity = ", identity!(), ") AS known), \
                fit AS MATERIALIZED (SELECT 1 FROM countersign_nonce_buckets WHERE bucket = $1 \
                AND epoch = $2 AND starts_at = $3 \
                AND (SELECT known AND wait IS NOT NULL FROM asked) FOR SHARE), \
                entered AS (INSERT INTO ", $table, " (key, attempt) \
                SELECT key, attempt FROM unnest($4::bytea[], $5::bytea[]) AS uses (key, attempt) \
                WHERE EXISTS (SELECT 1 FROM fit) ON CONFLICT DO NOTHING RETURNING key) \
                SELECT known, EXISTS (SELECT 1 FROM fit) AS fits, \
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

/// What became of some uses.
pub(super) enum Outcome {
    /// These keys were entered by these attempts, the others by others before, at this time
    /// of the database's.
    Entered(HashSet<Vec<u8>>, UnixTime),
    /// The bucket is already for later times.
    Dropped,
    /// Another epoch has begun, or must.
    Stale,
}

/// Enters uses, which all fall into this bucket, and empties it if its turn has come.
/// `again` says that they may have been entered over a connection that broke.
pub(super) async fn enter(
    Session { connection, epoch, identity }: &mut Session,
    bucket: Bucket,
    uses: &mut [&Waiting],
    again: bool,
) -> Result<Outcome, sqlx::Error> {
    // In one order everywhere, so that no two statements wait for each other.
    uses.sort_by_key(|waiting| *waiting.key.as_bytes());
    let keys: Vec<&[u8]> = uses.iter().map(|waiting| &waiting.key.as_bytes()[..]).collect();
    let attempts: Vec<&[u8]> = uses.iter().map(|waiting| &waiting.attempt.0[..]).collect();
    let (statements, epoch) = (&STATEMENTS[bucket.number], epoch.number);
    let number = i16::try_from(bucket.number).unwrap_or(i16::MAX);
    loop {
        let row = sqlx::query(statements.enter)
            .bind(number)
            .bind(epoch)
            .bind(bucket.starts_at)
            .bind(&keys)
            .bind(&attempts)
            .bind(&*identity)
            .fetch_one(&mut *connection)
            .await?;
        if !row.try_get::<bool, _>("known")? {
            return Ok(Outcome::Stale);
        }
        if row.try_get::<bool, _>("fits")? {
            let now = UnixTime::from_micros(row.try_get("now")?);
            let entered: Vec<Vec<u8>> = row.try_get("entered")?;
            let mut entered: HashSet<_> = entered.into_iter().collect();
            if again && entered.len() < uses.len() {
                // Whoever was in their way has committed by now.
                let own =
                    sqlx::query_scalar::<_, Vec<u8>>(statements.own).bind(&keys).bind(&attempts);
                entered.extend(own.fetch_all(&mut *connection).await?);
            }
            return Ok(Outcome::Entered(entered, now));
        }
        turn(connection, statements, (number, epoch, bucket.starts_at)).await?;
        let (found_epoch, starts_at): (i64, i64) =
            sqlx::query_as(STATE).bind(number).fetch_one(&mut *connection).await?;
        if found_epoch != epoch {
            return Ok(Outcome::Stale);
        }
        if starts_at > bucket.starts_at {
            return Ok(Outcome::Dropped);
        }
    }
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
async fn turn(
    connection: &mut PgConnection,
    statements: &Statements,
    (number, epoch, starts_at): (i16, i64, i64),
) -> Result<(), sqlx::Error> {
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
    let turned = sqlx::query(TURN).bind(number).bind(epoch).bind(starts_at);
    if turned.execute(&mut *transaction).await?.rows_affected() > 0 {
        sqlx::query(empty).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

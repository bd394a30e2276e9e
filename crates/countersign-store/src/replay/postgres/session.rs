//! A connection whose commits last, and the epoch that it found.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::{Clock, UnixTime};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::epoch::Epoch;
use crate::replay::limits::{SharedLimits, SharedTolerance};
use crate::replay::skew;
use crate::sql::PostgresServer;

/// Which cluster this is, its timeline, which counts up when a standby takes over, and which
/// database of it.
macro_rules! place {
    () => {
        "(SELECT system_identifier FROM pg_control_system()) || '/' || \
        substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '/' || \
        (SELECT oid FROM pg_database WHERE datname = current_database())"
    };
}
/// That, and the transaction that wrote the row of the epoch, `present`: one that was
/// restored from a dump was written by another.
macro_rules! identity {
    () => {
        concat!(place!(), " || '/' || present.xmin")
    };
}
/// The time by the database's clock.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    };
}
/// How far the cluster's log has reached the disk. It never goes back, but where the
/// cluster's files were put back to what they once were.
macro_rules! reached {
    () => {
        "(pg_current_wal_flush_lsn() - '0/0')::bigint"
    };
}
pub(super) use {identity, now, place, reached};

const NOW: &str = concat!("SELECT ", now!());
const LOOK: &str = concat!(
    "SELECT identity = ",
    identity!(),
    " AND ",
    reached!(),
    " >= $1, ",
    now!(),
    " FROM countersign_nonce_epoch AS present"
);
const UNLOGGED: &str = "SELECT relname::text FROM pg_catalog.pg_class WHERE relpersistence <> 'p' \
    AND oid IN (SELECT to_regclass('countersign_nonces_' || number) \
    FROM generate_series(0, 7) AS number)";
const BUCKETS: &str = "INSERT INTO countersign_nonce_buckets (bucket, epoch, starts_at) \
    SELECT number, 0, $1 FROM generate_series(0, 7) AS number ON CONFLICT DO NOTHING";
/// By which tolerance the database was told to remember until now; nobody else changes it until
/// the end of the transaction.
const TOLD: &str = "SELECT tolerance FROM countersign_nonce_epoch FOR UPDATE";
/// Begins an epoch where one must begin. What was waited for before is waited for on, counted
/// from the new tolerance.
const CHANGE: &str = concat!(
    "INSERT INTO countersign_nonce_epoch AS present \
    (sole, number, identity, since, tolerance) VALUES (TRUE, 1, ",
    place!(),
    " || '/' || \
    pg_current_xact_id()::xid, 0, $1) \
    ON CONFLICT (sole) DO UPDATE SET number = present.number + 1, identity = EXCLUDED.identity, \
    since = present.since + present.tolerance \
    - CASE WHEN $4 THEN EXCLUDED.tolerance ELSE present.tolerance END, \
    tolerance = CASE WHEN $4 THEN EXCLUDED.tolerance ELSE present.tolerance END \
    WHERE present.identity <> ",
    identity!(),
    " OR $2 OR (present.number <= $5 AND ",
    reached!(),
    " < $3) OR ($4 AND present.tolerance <> EXCLUDED.tolerance)"
);
const SHUT: &str = "UPDATE countersign_nonce_buckets SET epoch = present.number, starts_at = $1 \
    FROM countersign_nonce_epoch AS present WHERE epoch < present.number";
/// By whichever clock is ahead, so that what was accepted by the clock of an engine that is
/// gone lies behind it, too. A standby that was promoted knows the time of the last commit
/// that it was sent; that may be missing, and then counts for nothing.
///
/// What was accepted before reaches as far ahead as the tolerance was then, and not as it is
/// now, which is what will be added to `since`: $2 is the difference.
const BEGIN: &str = concat!(
    "UPDATE countersign_nonce_epoch SET since = greatest(since, $2 + greatest($1, ",
    now!(),
    ", (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000000)::bigint))"
);
const PRESENT: &str = concat!(
    "SELECT number, since, tolerance, identity, ",
    reached!(),
    " AS reached FROM countersign_nonce_epoch"
);

/// All of these, by name.
#[cfg(test)]
pub(super) const ALL: [(&str, &str); 9] = [
    ("NONCE_NOW", NOW),
    ("NONCE_LOOK", LOOK),
    ("NONCE_UNLOGGED", UNLOGGED),
    ("NONCE_BUCKETS", BUCKETS),
    ("NONCE_EPOCH_TOLD", TOLD),
    ("NONCE_EPOCH_CHANGE", CHANGE),
    ("NONCE_EPOCH_SHUT", SHUT),
    ("NONCE_EPOCH_BEGIN", BEGIN),
    ("NONCE_EPOCH_PRESENT", PRESENT),
];

/// Before every time of a token.
const NEVER: i64 = i64::MIN;

/// Why there is no session.
#[derive(Debug)]
pub(super) enum OpenError {
    /// Commits could be lost: an operator must change that.
    Unfit(String),
    /// Whatever else keeps the database from being used.
    Unusable(String),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unusable(error.to_string())
    }
}

/// Opens sessions.
pub(super) struct Opener {
    server: PostgresServer,
    pub(super) limits: SharedLimits,
    clock: Arc<dyn Clock>,
}

/// What a session goes on from.
#[derive(Clone, Copy)]
pub(super) struct Before {
    pub(super) tolerance: SharedTolerance,
    /// How far the database's log was seen to have reached, and in which epoch. Whoever has
    /// begun another since has seen to it.
    pub(super) reached: i64,
    pub(super) number: i64,
}

/// A connection, and since when the database behind it has remembered every use.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) present: Present,
}

/// What a database says of itself.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) epoch: Epoch,
    pub(super) identity: String,
    /// The furthest that its log was seen to have reached.
    pub(super) reached: i64,
}

impl Opener {
    pub(super) fn new(server: PostgresServer, limits: SharedLimits, clock: Arc<dyn Clock>) -> Self {
        Self { server, limits, clock }
    }

    /// Connects, sees to it that commits last, and joins or begins an epoch.
    pub(super) async fn open(&self, before: Before) -> Result<Session, OpenError> {
        let limit = self.limits.connect;
        let opened = tokio::time::timeout(limit, self.connect(before)).await;
        opened.unwrap_or_else(|_| {
            Err(OpenError::Unusable(format!("the database did not answer within {limit:?}")))
        })
    }

    async fn connect(&self, before: Before) -> Result<Session, OpenError> {
        let mut connection = self.server.connect().await?;
        let mode: String =
            sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut connection).await?;
        // Others may be stricter.
        if mode == "off" {
            sqlx::query("SET synchronous_commit = on").execute(&mut connection).await?;
        }
        let unlogged: Option<String> =
            sqlx::query_scalar(UNLOGGED).fetch_optional(&mut connection).await?;
        if let Some(table) = unlogged {
            return Err(OpenError::Unfit(format!(
                "{table} is unlogged and empty after a crash: ALTER TABLE {table} SET LOGGED"
            )));
        }
        let asked = self.clock.now();
        let engine: i64 = sqlx::query_scalar(NOW).fetch_one(&mut connection).await?;
        self.judge_clock(asked, UnixTime::from_micros(engine)).map_err(OpenError::Unusable)?;
        let present = self.join(&mut connection, before).await?;
        Ok(Session { connection, present })
    }

    /// Whether this server's clock and the database's, which was asked at `asked`, agree.
    pub(super) fn judge_clock(&self, asked: UnixTime, engine: UnixTime) -> Result<(), String> {
        skew::judge(engine, (asked, self.clock.now()), self.limits.skew)
    }

    /// Whether a session is still what it was when it was opened, else why not.
    pub(super) async fn look(&self, session: &mut Session) -> Result<(), String> {
        let asked = self.clock.now();
        let Session { connection, present: known } = session;
        let look = async {
            let look = sqlx::query_as(LOOK).bind(known.reached);
            let row: (bool, i64) = look.fetch_one(&mut *connection).await?;
            Ok((row, present(connection).await?))
        };
        let answer: Result<_, sqlx::Error> = look.await;
        let ((is_known, now), found) = answer.map_err(|error| error.to_string())?;
        if !is_known || (found.epoch, &found.identity) != (known.epoch, &known.identity) {
            return Err("it has become another".to_owned());
        }
        known.reached = found.reached;
        self.judge_clock(asked, UnixTime::from_micros(now))
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The latest time that a token may have here, by the engine's clock.
    pub(super) fn latest(&self, epoch: &Epoch, engine: UnixTime) -> UnixTime {
        engine + epoch.tolerance.saturating_add(self.limits.skew)
    }

    /// The present epoch, or a new one if this database may have forgotten uses.
    async fn join(
        &self,
        connection: &mut PgConnection,
        Before { tolerance, reached, number }: Before,
    ) -> Result<Present, OpenError> {
        let changes = matches!(tolerance, SharedTolerance::Changed(_));
        let width = micros(tolerance.width());
        let mut transaction = connection.begin().await?;
        let told: Option<i64> = sqlx::query_scalar(TOLD).fetch_optional(&mut *transaction).await?;
        // Whoever removed a bucket's row may have removed more.
        let buckets = sqlx::query(BUCKETS).bind(NEVER).execute(&mut *transaction).await?;
        let was_damaged = buckets.rows_affected() > 0;
        let change = sqlx::query(CHANGE).bind(width).bind(was_damaged).bind(reached).bind(changes);
        if change.bind(number).execute(&mut *transaction).await?.rows_affected() > 0 {
            // From here on nobody enters anything under the epoch before.
            sqlx::query(SHUT).bind(NEVER).execute(&mut *transaction).await?;
            let now = self.clock.now().as_micros();
            let further = if changes { told.unwrap_or(width) - width } else { 0 };
            sqlx::query(BEGIN).bind(now).bind(further).execute(&mut *transaction).await?;
        }
        let present = present(&mut transaction).await?;
        tolerance.judge(present.epoch.tolerance).map_err(OpenError::Unfit)?;
        transaction.commit().await?;
        Ok(present)
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

async fn present(connection: &mut PgConnection) -> Result<Present, sqlx::Error> {
    let row = sqlx::query(PRESENT).fetch_one(connection).await?;
    let tolerance: i64 = row.try_get("tolerance")?;
    let epoch = Epoch {
        number: row.try_get("number")?,
        since: UnixTime::from_micros(row.try_get("since")?),
        tolerance: Duration::from_micros(tolerance.unsigned_abs()),
    };
    Ok(Present { epoch, identity: row.try_get("identity")?, reached: row.try_get("reached")? })
}

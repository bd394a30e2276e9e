//! A connection whose commits last, and the epoch that it found.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::{Clock, UnixTime};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::epoch::Epoch;
use crate::replay::limits::SharedLimits;
use crate::sql::PostgresServer;

/// Which cluster this is, and its timeline, which counts up when a standby takes over.
const IDENTITY: &str = "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || \
    substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
const UNLOGGED: &str = "SELECT relname::text FROM pg_catalog.pg_class WHERE relpersistence <> 'p' \
    AND oid IN (SELECT to_regclass('countersign_nonces_' || number) \
    FROM generate_series(0, 7) AS number)";
const BUCKETS: &str = "INSERT INTO countersign_nonce_buckets (bucket, epoch, starts_at) \
    SELECT number, 0, $1 FROM generate_series(0, 7) AS number ON CONFLICT DO NOTHING";
const CHANGE: &str = "INSERT INTO countersign_nonce_epoch AS present \
    (sole, number, identity, since, tolerance) VALUES (TRUE, 1, $1, $2, $3) \
    ON CONFLICT (sole) DO UPDATE SET number = present.number + 1, identity = EXCLUDED.identity, \
    since = EXCLUDED.since, tolerance = greatest(present.tolerance, EXCLUDED.tolerance) \
    WHERE present.identity <> EXCLUDED.identity OR present.tolerance < EXCLUDED.tolerance";
const SHUT: &str = "UPDATE countersign_nonce_buckets SET epoch = present.number, starts_at = $1 \
    FROM countersign_nonce_epoch AS present WHERE epoch < present.number";
const BEGIN: &str = "UPDATE countersign_nonce_epoch SET since = $1";
const PRESENT: &str = "SELECT number, since, tolerance, identity FROM countersign_nonce_epoch";

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
    tolerance: Duration,
    pub(super) limits: SharedLimits,
    clock: Arc<dyn Clock>,
}

/// A connection, and since when the database behind it has remembered every use.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) epoch: Epoch,
    identity: String,
}

impl Opener {
    pub(super) fn new(
        server: PostgresServer,
        tolerance: Duration,
        limits: SharedLimits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { server, tolerance, limits, clock }
    }

    /// Connects, sees to it that commits last, and joins or begins an epoch.
    pub(super) async fn open(&self) -> Result<Session, OpenError> {
        let limit = self.limits.connect;
        let opened = tokio::time::timeout(limit, self.connect()).await;
        opened.unwrap_or_else(|_| {
            Err(OpenError::Unusable(format!("the database did not answer within {limit:?}")))
        })
    }

    async fn connect(&self) -> Result<Session, OpenError> {
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
        let identity: String = sqlx::query_scalar(IDENTITY).fetch_one(&mut connection).await?;
        let epoch = self.join(&mut connection, &identity).await?;
        Ok(Session { connection, epoch, identity })
    }

    /// The present epoch, or a new one if this database may have forgotten uses.
    async fn join(
        &self,
        connection: &mut PgConnection,
        identity: &str,
    ) -> Result<Epoch, sqlx::Error> {
        let tolerance = i64::try_from(self.tolerance.as_micros()).unwrap_or(i64::MAX);
        let mut transaction = connection.begin().await?;
        sqlx::query(BUCKETS).bind(NEVER).execute(&mut *transaction).await?;
        let change =
            sqlx::query(CHANGE).bind(identity).bind(self.clock.now().as_micros()).bind(tolerance);
        if change.execute(&mut *transaction).await?.rows_affected() > 0 {
            // From here on nobody enters anything under the epoch before.
            sqlx::query(SHUT).bind(NEVER).execute(&mut *transaction).await?;
            let now = self.clock.now().as_micros();
            sqlx::query(BEGIN).bind(now).execute(&mut *transaction).await?;
        }
        let (epoch, _) = present(&mut transaction).await?;
        transaction.commit().await?;
        Ok(epoch)
    }
}

impl Session {
    /// Whether it is still what it was when it was opened.
    pub(super) async fn is_good(&mut self) -> Result<bool, sqlx::Error> {
        let identity: String = sqlx::query_scalar(IDENTITY).fetch_one(&mut self.connection).await?;
        let (epoch, of) = present(&mut self.connection).await?;
        Ok(identity == self.identity && of == identity && epoch == self.epoch)
    }
}

async fn present(connection: &mut PgConnection) -> Result<(Epoch, String), sqlx::Error> {
    let row = sqlx::query(PRESENT).fetch_one(connection).await?;
    let tolerance: i64 = row.try_get("tolerance")?;
    let epoch = Epoch {
        number: row.try_get("number")?,
        since: UnixTime::from_micros(row.try_get("since")?),
        tolerance: Duration::from_micros(tolerance.unsigned_abs()),
    };
    Ok((epoch, row.try_get("identity")?))
}

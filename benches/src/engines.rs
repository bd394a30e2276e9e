//! The PostgreSQL or the Redis that remembers spent nonces for a benchmark, and what it says
//! of its work.

use std::time::Duration;

use anyhow::Context as _;
use countersign_testbed::{Database, Durability, Postgres, Redis};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::process::cpu_nanos;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As the guard `database`.
    Postgres,
    /// As the guard `redis`.
    Redis,
}

/// A running engine of a benchmark's own; commits reach the disk before they are acknowledged.
/// It ends with this value, and with the thread that started it.
pub enum Engine {
    /// A cluster, and the database in it.
    Postgres(Postgres, Database),
    /// A server, and where its data is.
    Redis(Redis, TempDir),
}

/// What an engine has done since it was started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Commits, or how often Redis has read from a connection: what came together counts once.
    pub round_trips: u64,
    /// Bytes that were written to the log that a crash is recovered from.
    pub logged: u64,
    /// Bytes that came over the network, and went; PostgreSQL does not count them.
    pub network: Option<(u64, u64)>,
}

/// For how long sessions keep their counts to themselves, and a little longer.
const UNTIL_COUNTED: Duration = Duration::from_secs(3);

impl Engine {
    /// Starts one, on the cores that the calling thread may use.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(kind: Kind) -> anyhow::Result<Self> {
        match kind {
            Kind::Postgres => {
                let server = Postgres::of_its_own(Durability::Full)?;
                let database = server.fresh_database().await?;
                Ok(Self::Postgres(server, database))
            }
            Kind::Redis => {
                let directory = TempDir::new()?;
                Ok(Self::Redis(Redis::start(directory.path(), &[])?, directory))
            }
        }
    }

    /// Where a guard finds it.
    pub fn url(&self) -> String {
        match self {
            Self::Postgres(_, database) => database.url().to_owned(),
            Self::Redis(server, _) => server.url(),
        }
    }

    /// What it has done, a while after it was asked to do the last.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn work(&self) -> anyhow::Result<Work> {
        match self {
            Self::Postgres(server, database) => {
                tokio::time::sleep(UNTIL_COUNTED).await;
                let name = database.url().rsplit('/').next().context("a database")?;
                let mut connection = PgConnection::connect(&server.url()?).await?;
                let (commits, logged): (i64, i64) = sqlx::query_as(
                    "SELECT xact_commit, (pg_current_wal_lsn() - '0/0')::bigint \
                     FROM pg_stat_database WHERE datname = $1",
                )
                .bind(name)
                .fetch_one(&mut connection)
                .await?;
                let (round_trips, logged) = (commits.unsigned_abs(), logged.unsigned_abs());
                Ok(Work { round_trips, logged, network: None })
            }
            Self::Redis(server, _) => {
                let info = server.command("INFO everything")?;
                let network = (
                    number(&info, "total_net_input_bytes:")?,
                    number(&info, "total_net_output_bytes:")?,
                );
                Ok(Work {
                    round_trips: number(&info, "total_reads_processed:")?,
                    logged: number(&info, "aof_current_size:")?,
                    network: Some(network),
                })
            }
        }
    }

    /// How many uses it holds.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn held(&self) -> anyhow::Result<u64> {
        match self {
            Self::Postgres(..) => {
                let counts =
                    (0..8).map(|n| format!("(SELECT count(*) FROM countersign_nonces_{n})"));
                let held: i64 = self.ask(&counts.collect::<Vec<_>>().join(" + ")).await?;
                Ok(held.unsigned_abs())
            }
            Self::Redis(server, _) => {
                let keys = server.command("DBSIZE")?;
                // Three say which Redis and which epoch it is, and what time it was.
                Ok(number(&keys, ":")?.saturating_sub(3))
            }
        }
    }

    /// The same without a look at each of them, as of a moment ago.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn held_about(&self) -> anyhow::Result<u64> {
        if let Self::Redis(..) = self {
            return self.held().await;
        }
        let sum = "sum(n_live_tup)::bigint FROM pg_stat_user_tables \
             WHERE relname LIKE 'countersign\\_nonces\\__'";
        Ok(self.ask::<i64>(sum).await?.unsigned_abs())
    }

    /// The bytes that what it holds takes: the tables with their indexes, or `used_memory`.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn data_bytes(&self) -> anyhow::Result<u64> {
        match self {
            Self::Postgres(..) => {
                let sizes =
                    (0..8).map(|n| format!("pg_total_relation_size('countersign_nonces_{n}')"));
                let bytes: i64 = self.ask(&sizes.collect::<Vec<_>>().join(" + ")).await?;
                Ok(bytes.unsigned_abs())
            }
            Self::Redis(server, _) => number(&server.command("INFO memory")?, "used_memory:"),
        }
    }

    /// The memory that its processes have, what they share counted once.
    ///
    /// # Errors
    /// If it does not say which they are.
    pub async fn process_bytes(&self) -> anyhow::Result<u64> {
        // One that has just ended has none.
        let all = self.processes().await?.into_iter();
        Ok(all.filter_map(|id| proportional_bytes(id).ok()).sum())
    }

    /// The CPU time that the processes which it has now have used.
    ///
    /// # Errors
    /// If it does not say which they are.
    pub async fn cpu_time(&self) -> anyhow::Result<Duration> {
        let all = self.processes().await?.into_iter();
        Ok(Duration::from_nanos(all.filter_map(|id| cpu_nanos(id).ok()).sum()))
    }

    async fn processes(&self) -> anyhow::Result<Vec<u32>> {
        Ok(match self {
            Self::Postgres(..) => {
                let all = "array_agg(pid) FROM pg_stat_activity";
                self.ask::<Vec<i32>>(all).await?.into_iter().map(i32::unsigned_abs).collect()
            }
            Self::Redis(server, _) => {
                let id = number(&server.command("INFO server")?, "process_id:")?;
                vec![u32::try_from(id)?]
            }
        })
    }

    async fn ask<T>(&self, expression: &str) -> anyhow::Result<T>
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let Self::Postgres(server, database) = self else { anyhow::bail!("no PostgreSQL") };
        let name = database.url().rsplit('/').next().context("a database")?;
        let superuser = server.url()?;
        let (server, _) = superuser.rsplit_once('/').context("a database")?;
        let mut connection = PgConnection::connect(&format!("{server}/{name}")).await?;
        let statement = sqlx::AssertSqlSafe(format!("SELECT {expression}"));
        Ok(sqlx::query_scalar(statement).fetch_one(&mut connection).await?)
    }
}

/// The number behind a name.
fn number(text: &str, name: &str) -> anyhow::Result<u64> {
    let (_, after) = text.split_once(name).with_context(|| format!("no {name} in {text}"))?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().with_context(|| format!("no number behind {name}"))
}

fn proportional_bytes(process: u32) -> anyhow::Result<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("Pss")?;
    Ok(number(&line.replace(' ', ""), "Pss:")? * 1024)
}

//! The servers that remember spent nonces for all replicas.

use std::time::Duration;

use anyhow::Result;
use countersign_testbed::{Database, Durability, Postgres, Redis};
use tempfile::TempDir;
use tokio::time::sleep;

/// A PostgreSQL for accounts, and perhaps a Redis for spent nonces, of one run alone.
pub(crate) struct EngineServers {
    postgres: Postgres,
    redis: Option<(Redis, TempDir)>,
}

impl EngineServers {
    pub(crate) fn start(with_redis: bool) -> Result<Self> {
        let postgres = Postgres::of_its_own(Durability::Relaxed)?;
        let redis = if with_redis {
            let directory = TempDir::new()?;
            Some((Redis::start(directory.path(), &[])?, directory))
        } else {
            None
        };
        Ok(Self { postgres, redis })
    }

    pub(crate) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// Where the one listens that remembers nonces.
    pub(crate) fn address(&self, database: &Database) -> String {
        self.redis.as_ref().map_or_else(|| database.address().to_owned(), |(it, _)| it.address())
    }

    /// The database's URL, and that of Redis if there is one: with another address for the one
    /// that remembers nonces.
    pub(crate) fn urls_by_way_of(
        &self,
        address: &str,
        database: &Database,
    ) -> (String, Option<String>) {
        match self.redis {
            Some(_) => (database.url().to_owned(), Some(format!("redis://{address}"))),
            None => (database.url_by_way_of(address), None),
        }
    }

    /// Kills the one that remembers nonces, and starts it again.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some((redis, _)) = &mut self.redis {
            redis.kill()?;
            return redis.start_again();
        }
        self.postgres.kill()?;
        self.postgres.start_again()
    }

    /// Lets it do nothing for a while.
    pub(crate) async fn pause(&self, span: Duration) -> Result<()> {
        match &self.redis {
            Some((redis, _)) => redis.pause()?,
            None => self.postgres.pause()?,
        }
        sleep(span).await;
        match &self.redis {
            Some((redis, _)) => redis.resume(),
            None => self.postgres.resume(),
        }
    }
}

//! What operators want to know of a Redis, over connections of its own: those of the guard
//! end when it is in doubt about what Redis remembers, which says nothing about the time.

use async_trait::async_trait;
use countersign_core::ports::StoreError;
use countersign_core::{Clock, UnixTime};
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;

use super::masters::{Dialer, Failover, Master};
use super::session::RedisError;
use super::survey::survey;
use super::url::Topology;
use super::{RedisDurability, RedisServer};
use crate::clocks::{ClockDifference, SharedClock};
use crate::replay::limits::SharedLimits;

/// Asks a Redis for its time, and whether it does as the memory of a replay guard.
pub struct RedisProbe {
    topology: Topology,
    dialer: Dialer,
    durability: RedisDurability,
    masters: Mutex<Option<Vec<Master>>>,
}

impl RedisProbe {
    /// Connects when it is asked.
    pub fn new(server: RedisServer, limits: SharedLimits) -> Self {
        Self {
            dialer: Dialer::new(None, server.root_certificate, limits),
            topology: server.url.0,
            durability: server.durability,
            masters: Mutex::default(),
        }
    }

    /// Who says that it keeps what it acknowledges.
    pub fn durability(&self) -> RedisDurability {
        self.durability
    }

    /// Whether Redis does.
    ///
    /// # Errors
    /// [`RedisError`] says what it is that will not do.
    pub async fn look(&self) -> Result<(), RedisError> {
        self.with_masters(async |masters, failovers| {
            survey(masters.iter().zip(failovers), self.durability).await.map(drop)
        })
        .await
    }

    /// Of a cluster, the difference to the master that is furthest away.
    async fn furthest(&self, own: &dyn Clock) -> Result<ClockDifference, RedisError> {
        self.with_masters(async |masters, _| {
            let mut furthest: Option<ClockDifference> = None;
            for master in masters {
                let difference = ClockDifference::measure(own, time(&master.connection)).await?;
                let size = |difference: &ClockDifference| difference.ahead_micros.unsigned_abs();
                if furthest.is_none_or(|other| size(&difference) > size(&other)) {
                    furthest = Some(difference);
                }
            }
            furthest.ok_or_else(|| RedisError::unexpected("CLUSTER SLOTS"))
        })
        .await
    }

    /// Asks over the connections of the last time, if they still lead to the masters. They are
    /// given up if that fails, or whoever asks gives up.
    async fn with_masters<T>(
        &self,
        ask: impl AsyncFnOnce(&[Master], Vec<Failover>) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let mut held = self.masters.lock().await;
        let (masters, failovers) = match held.take() {
            Some(masters) => match self.failovers(&masters).await {
                Ok(failovers) => (masters, failovers),
                Err(_) => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let answer = ask(&masters, failovers).await?;
        *held = Some(masters);
        Ok(answer)
    }

    async fn connect(&self) -> Result<(Vec<Master>, Vec<Failover>), RedisError> {
        let masters = self.dialer.masters(&self.topology).await?;
        let failovers = self.failovers(&masters).await?;
        Ok((masters, failovers))
    }

    /// Who may take the place of these masters, if they answer and the topology has no others.
    async fn failovers(&self, masters: &[Master]) -> Result<Vec<Failover>, RedisError> {
        for master in masters {
            time(&master.connection).await?;
        }
        let masters: Vec<&Master> = masters.iter().collect();
        self.dialer.failovers(&self.topology, &masters).await
    }
}

async fn time(connection: &MultiplexedConnection) -> Result<UnixTime, RedisError> {
    let mut connection = connection.clone();
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut connection).await?;
    Ok(UnixTime::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros)))
}

#[async_trait]
impl SharedClock for RedisProbe {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn compare(&self, own: &dyn Clock) -> Result<ClockDifference, StoreError> {
        self.furthest(own).await.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

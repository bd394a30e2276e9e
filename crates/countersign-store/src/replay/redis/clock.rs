//! The clock of a Redis, over connections of its own: those of the guard end when it is in
//! doubt about what Redis remembers, which says nothing about the time.

use async_trait::async_trait;
use countersign_core::ports::StoreError;
use countersign_core::{Clock, UnixTime};
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;

use super::RedisServer;
use super::masters::{Dialer, Master};
use super::session::RedisError;
use super::url::Topology;
use crate::clocks::{ClockDifference, SharedClock};
use crate::replay::limits::SharedLimits;

/// Tells the time of a Redis; of a cluster, that of the master which is furthest away.
pub struct RedisClock {
    topology: Topology,
    dialer: Dialer,
    masters: Mutex<Option<Vec<Master>>>,
}

impl RedisClock {
    /// The clock of this Redis. It is connected to when it is asked.
    pub fn new(server: RedisServer, limits: SharedLimits) -> Self {
        let dialer = Dialer::new(None, server.root_certificate, limits);
        Self { topology: server.url.0, dialer, masters: Mutex::default() }
    }

    async fn furthest(&self, own: &dyn Clock) -> Result<ClockDifference, RedisError> {
        let mut held = self.masters.lock().await;
        // Given up if it fails, or whoever asks gives up.
        let masters = match held.take() {
            Some(masters) => masters,
            None => self.dialer.masters(&self.topology).await?,
        };
        let mut furthest: Option<ClockDifference> = None;
        for master in &masters {
            let difference = ClockDifference::measure(own, time(&master.connection)).await?;
            let size = |difference: &ClockDifference| difference.ahead_micros.unsigned_abs();
            if furthest.is_none_or(|other| size(&difference) > size(&other)) {
                furthest = Some(difference);
            }
        }
        *held = Some(masters);
        furthest.ok_or_else(|| RedisError::unexpected("CLUSTER SLOTS"))
    }
}

async fn time(connection: &MultiplexedConnection) -> Result<UnixTime, RedisError> {
    let mut connection = connection.clone();
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut connection).await?;
    Ok(UnixTime::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros)))
}

#[async_trait]
impl SharedClock for RedisClock {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn compare(&self, own: &dyn Clock) -> Result<ClockDifference, StoreError> {
        self.furthest(own).await.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

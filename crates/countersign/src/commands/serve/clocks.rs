//! The clocks that this server's own is compared with.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_server::ReadinessCheck;
use countersign_store::replay::RedisProbe;
use countersign_store::{ClockWatch, PostgresTrail, SharedClock};
use countersign_system::SystemClock;

/// Compares with the database that the trail is in, and with the Redis of the replay guard.
pub(super) fn watch(
    trail: Option<&Arc<PostgresTrail>>,
    redis: Option<&Arc<RedisProbe>>,
) -> Arc<ClockWatch> {
    let database = trail.map(|trail| Arc::clone(trail) as Arc<dyn SharedClock>);
    let redis = redis.map(|redis| Arc::clone(redis) as _);
    let references = database.into_iter().chain(redis).collect();
    Arc::new(ClockWatch::start(references, &(Arc::new(SystemClock) as _)))
}

/// Says so in `/health/ready` when the clocks are apart.
///
/// That does not make the server unready. If it is the database's clock that is wrong, all
/// servers would be taken out of service at once, for what refuses nobody yet. Further apart,
/// where a token could be accepted twice, the replay guard itself refuses to decide.
pub(super) struct ClockCheck(pub(super) Arc<ClockWatch>);

#[async_trait]
impl ReadinessCheck for ClockCheck {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn is_vital(&self) -> bool {
        false
    }

    async fn check(&self) -> Result<(), String> {
        self.0.trouble().map_or(Ok(()), Err)
    }
}

//! The clocks that this server's own is compared with.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_server::ReadinessCheck;
use countersign_store::replay::RedisClock;
use countersign_store::{ClockWatch, PostgresTrail, SharedClock};
use countersign_system::SystemClock;

use super::replay_guard;
use crate::config::{GuardChoice, Settings};
use crate::failure::Failure;

/// Compares with the database that the trail is in, and with the Redis of the replay guard.
///
/// # Errors
/// A [`Failure`] that names the setting that will not do.
pub(super) fn watch(
    settings: &Settings,
    trail: Option<&Arc<PostgresTrail>>,
    instance_id: &str,
) -> Result<Arc<ClockWatch>, Failure> {
    let mut references: Vec<Arc<dyn SharedClock>> = Vec::new();
    references.extend(trail.map(|trail| Arc::clone(trail) as _));
    if let GuardChoice::Redis(redis) = &settings.replay.guard {
        let server = replay_guard::redis_server(redis, instance_id)?;
        let limits = replay_guard::shared_limits(settings);
        references.push(Arc::new(RedisClock::new(server, limits)));
    }
    Ok(Arc::new(ClockWatch::start(references, &(Arc::new(SystemClock) as _))))
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

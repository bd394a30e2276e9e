//! Until when nobody's signed request is taken, as the replay guard may not know what was used.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::ReplayGuard;
use countersign_core::{Clock as _, UnixTime};
use countersign_server::ReadinessCheck;
use countersign_server::api::to_timestamp;
use countersign_system::SystemClock;

/// What `/health/ready` calls it.
pub(crate) const GUARD_WAIT: &str = "replay-guard-wait";
/// How often it is looked whether a wait has begun or ended.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Says so in the log, in `/health/ready` and in the metrics.
///
/// It does not make the server unready. All servers wait at once, at the first contact with an
/// engine and after its failover, so all would be taken out of service, and with them the access
/// tokens and API keys that need no guard. A server that joins others does not wait at all.
pub(super) struct GuardWait(Arc<dyn ReplayGuard>);

impl GuardWait {
    /// Looks now and then, until the program ends.
    pub(super) fn watch(guard: Arc<dyn ReplayGuard>) -> Arc<Self> {
        tokio::spawn(tell(Arc::clone(&guard)));
        Arc::new(Self(guard))
    }

    /// For how much longer; zero if nobody waits.
    pub(super) fn left(&self) -> Duration {
        let until = self.0.waits_until();
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(SystemClock.now()))
    }
}

async fn tell(guard: Arc<dyn ReplayGuard>) {
    let mut said: Option<UnixTime> = None;
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    loop {
        looks.tick().await;
        match guard.waits_until() {
            Some(until) if said != Some(until) => {
                tracing::warn!(
                    until = %to_timestamp(until),
                    "signed requests get 503 until then, as the replay guard may not know what was used before"
                );
                said = Some(until);
            }
            // Without a word to its memory the guard cannot say, and the wait is not over.
            None if said.is_some() && guard.check().await.is_ok() => {
                tracing::info!("signed requests made from now on are taken again");
                said = None;
            }
            _ => {}
        }
    }
}

#[async_trait]
impl ReadinessCheck for GuardWait {
    fn name(&self) -> &'static str {
        GUARD_WAIT
    }

    fn is_vital(&self) -> bool {
        false
    }

    async fn check(&self) -> Result<(), String> {
        self.0.waits_until().map_or(Ok(()), |until| Err(format!("until {}", to_timestamp(until))))
    }
}

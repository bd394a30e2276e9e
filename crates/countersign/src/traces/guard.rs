//! How long the replay guard took, as a span of the request's trace.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::UnixTime;
use countersign_core::ports::{GuardError, ReplayGuard, Spend};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::TRACES;

/// A guard with a span around each use.
pub(crate) struct TracedGuard(pub(crate) Arc<dyn ReplayGuard>);

#[async_trait]
impl ReplayGuard for TracedGuard {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        let span = tracing::debug_span!(
            target: TRACES,
            "replay_guard.spend",
            countersign.outcome = Empty,
            otel.status_code = Empty,
        );
        let outcome = self.0.spend(spend).instrument(span.clone()).await;
        span.record(
            "countersign.outcome",
            match &outcome {
                Ok(()) => "accepted",
                Err(GuardError::Replayed) => "replayed",
                Err(GuardError::OutsideWindow) => "outside_window",
                Err(GuardError::Full | GuardError::ShareUsedUp) => "full",
                Err(_) => "unavailable",
            },
        );
        if let Err(GuardError::Unavailable(_)) = &outcome {
            span.record("otel.status_code", "ERROR");
        }
        outcome
    }

    async fn check(&self) -> Result<(), GuardError> {
        self.0.check().await
    }

    fn waits_until(&self) -> Option<UnixTime> {
        self.0.waits_until()
    }

    fn live_uses(&self) -> Option<usize> {
        self.0.live_uses()
    }
}

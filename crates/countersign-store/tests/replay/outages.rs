//! Waiting for an outage, and for its end.

use std::future::Future;
use std::time::Duration;

use countersign_core::ports::{GuardError, NONCE_RETENTION_MARGIN};

use crate::support::TOLERANCE;

/// How long callers wait after what may have been forgotten.
pub(crate) const REACH: Duration = TOLERANCE.saturating_add(NONCE_RETENTION_MARGIN);

/// Waits until something holds, for a minute at most.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(1), wait).await;
    assert!(waited.is_ok(), "never happened: {what}");
}

/// Nobody can say whether the token is good: 503.
pub(crate) fn is_unavailable(outcome: &Result<(), GuardError>) -> bool {
    matches!(outcome, Err(GuardError::Unavailable(_) | GuardError::MayHaveBeenUsed(_)))
}

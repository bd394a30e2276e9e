//! A circuit breaker around a replay guard.

mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::UnixTime;
use countersign_core::ports::{GuardError, ReplayGuard, Spend};
use tokio::time::Instant;

use self::state::{Breaker, Pass};

/// When a [`CircuitBreaker`] opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// After how many failures in a row nothing is asked any more. At least one.
    pub failures: u32,
    /// How long nothing is asked; after that one use at a time tries.
    pub pause: Duration,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(1) }
    }
}

/// Asks a guard that does not answer no more than once in a while.
///
/// While a guard's storage is out of reach, each use would wait for as long as the guard
/// lets it, and hold what its request holds. After a few failures in a row uses are refused
/// at once, with the last failure's reason; then one at a time is let through, and the first
/// that the guard accepts lets in the others. Only
/// [`GuardError::Unavailable`] is a failure. A refusal is neither: a guard knows replays that it
/// has seen itself, and tokens that it cannot know, without a word to its storage.
pub struct CircuitBreaker {
    guard: Arc<dyn ReplayGuard>,
    breaker: Mutex<Breaker>,
}

impl CircuitBreaker {
    /// A closed circuit around this guard.
    pub fn around(guard: Arc<dyn ReplayGuard>, limits: BreakerLimits) -> Self {
        Self { guard, breaker: Mutex::new(Breaker::closed(limits)) }
    }

    // Nothing panics while it is locked.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ReplayGuard for CircuitBreaker {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        let pass = self.breaker().ask(Instant::now()).map_err(GuardError::Unavailable)?;
        let asked = Asked { breaker: self, pass, answered: false };
        let outcome = self.guard.spend(spend).await;
        asked.answered(&outcome);
        outcome
    }

    async fn check(&self) -> Result<(), GuardError> {
        self.breaker().look(Instant::now()).map_err(GuardError::Unavailable)?;
        self.guard.check().await
    }

    fn waits_until(&self) -> Option<UnixTime> {
        self.guard.waits_until()
    }

    fn live_uses(&self) -> Option<usize> {
        self.guard.live_uses()
    }
}

/// A use that was let through; its caller may go away before the answer comes.
struct Asked<'a> {
    breaker: &'a CircuitBreaker,
    pass: Pass,
    answered: bool,
}

impl Asked<'_> {
    fn answered(mut self, outcome: &Result<(), GuardError>) {
        self.answered = true;
        let mut breaker = self.breaker.breaker();
        match outcome {
            Err(GuardError::Unavailable(reason)) => {
                if breaker.failed(self.pass, reason, Instant::now()) {
                    tracing::error!(reason, "the replay guard does not answer and is left alone");
                }
            }
            Ok(()) => {
                if breaker.succeeded() {
                    tracing::info!("the replay guard answers again");
                }
            }
            // The guard may have known without its storage.
            Err(_) => breaker.abandoned(self.pass),
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.breaker.breaker().abandoned(self.pass);
        }
    }
}

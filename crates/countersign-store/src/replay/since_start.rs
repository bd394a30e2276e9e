//! A replay guard without storage that a restart does not make forget.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{GuardError, ReplayGuard, Spend};
use countersign_core::{Clock, Random, UnixTime};

use super::hold;
use super::limits::ReplayLimits;
use super::wheel::ReplayWheel;

/// Remembers spent nonces in the process, and takes no token that the process before may
/// have taken.
///
/// Whatever was accepted before the start has a time of at most the start plus the
/// tolerance. Until that has come, callers are told to try again: a caller whose clock is
/// right waits for as long as the tolerance, once after each start. A service that cannot
/// afford that has a [`DurableReplayGuard`](super::DurableReplayGuard).
///
/// Three promises are up to the service: no two processes take the same accounts' tokens
/// at a time, the process before had no longer tolerance, and the clock does not step back
/// between them.
pub struct GuardSinceStart {
    wheel: Arc<ReplayWheel>,
    clock: Arc<dyn Clock>,
    started: UnixTime,
}

/// How often a wheel that nobody uses is freed of what it need not remember.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

impl GuardSinceStart {
    /// A guard of a process that starts now, in the current runtime.
    pub fn start(limits: ReplayLimits, clock: Arc<dyn Clock>, random: &dyn Random) -> Self {
        let wheel = Arc::new(ReplayWheel::new(limits, Arc::clone(&clock), random));
        wheel.sweep_every(SWEEP_INTERVAL);
        let started = clock.now();
        Self { wheel, clock, started }
    }
}

#[async_trait]
impl ReplayGuard for GuardSinceStart {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        let since = (self.started, spend.tolerance);
        hold::judge(&spend, since, self.clock.now()).map_err(|held| {
            held.because(
                "this process has started so lately that the one before may have taken the token",
            )
        })?;
        self.wheel.record(&spend)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use countersign_core::AccountName;
    use countersign_core::ports::ReplayKey;
    use countersign_system::SystemRandom;

    use super::*;

    const START: UnixTime = UnixTime::from_secs(1_800_000_000);
    const TOLERANCE: Duration = Duration::from_secs(20);

    struct Hand(Mutex<UnixTime>);

    impl Clock for Hand {
        fn now(&self) -> UnixTime {
            *self.0.lock().unwrap()
        }
    }

    /// What becomes of a token of this time, used at that time; seconds after the start.
    async fn spent(
        guard: &GuardSinceStart,
        hand: &Hand,
        time: u64,
        at: u64,
    ) -> Result<(), GuardError> {
        *hand.0.lock().unwrap() = START + Duration::from_secs(at);
        let account = AccountName::new("worker").unwrap();
        let time = START + Duration::from_secs(time);
        let key = ReplayKey::from_bytes([1; 16]);
        guard.spend(Spend { key, account: &account, time, tolerance: TOLERANCE }).await
    }

    #[tokio::test]
    async fn what_the_process_before_may_have_taken_is_not_taken() {
        let hand = Arc::new(Hand(Mutex::new(START)));
        let guard =
            GuardSinceStart::start(ReplayLimits::default(), Arc::clone(&hand) as _, &SystemRandom);
        for (time, at) in [(0, 0), (20, 1), (19, 20), (20, 40)] {
            let outcome = spent(&guard, &hand, time, at).await;
            assert!(
                matches!(outcome, Err(GuardError::MayHaveBeenUsed(_))),
                "{time} at {at}: {outcome:?}"
            );
        }
        assert_eq!(spent(&guard, &hand, 20, 41).await, Err(GuardError::OutsideWindow));
        // A caller whose clock is ahead need not wait.
        assert_eq!(spent(&guard, &hand, 21, 5).await, Ok(()));
        assert_eq!(spent(&guard, &hand, 21, 22).await, Err(GuardError::Replayed));
    }
}

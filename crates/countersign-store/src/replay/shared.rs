//! A guard whose memory several servers share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{GuardError, ReplayGuard, Spend};
use countersign_core::{Clock, Random, UnixTime};
use tokio::sync::Semaphore;

use super::limits::{ReplayLimits, SharedLimits};
use super::wheel::{ReplayWheel, check_window};

/// How often a wheel that nobody uses is freed of what it need not remember.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A memory outside of the process, of which uses can be entered once.
#[async_trait]
pub(super) trait Register: Send + Sync {
    /// Whether this use could be entered at the moment, as far as is known without a word
    /// to the storage.
    ///
    /// # Errors
    /// [`GuardError`] if not.
    fn admit(&self, spend: &Spend<'_>, now: UnixTime) -> Result<(), GuardError>;

    /// Enters a use. It may be asked again under the same attempt, and then knows its own
    /// entry.
    ///
    /// # Errors
    /// [`GuardError::Replayed`] if another attempt has entered it; others if nobody knows.
    async fn enter(&self, spend: &Spend<'_>, attempt: Attempt) -> Result<(), GuardError>;

    /// The last time of tokens that a memory before may have taken; `None` if the storage does
    /// not answer, as far as is known.
    fn forgotten_until(&self) -> Option<UnixTime>;

    /// Whether the storage answers, as far as is known.
    ///
    /// # Errors
    /// [`GuardError::Unavailable`] if it does not.
    fn check(&self) -> Result<(), GuardError>;
}

/// Tells one try to enter a use from all others, whoever makes them, so that a driver that
/// lost its connection knows its own entry again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt(pub(super) [u8; 16]);

/// The wheel judges what this server has seen, the register what all have.
///
/// The wheel in front saves the way to the register for replays at this server, keeps each
/// account to its share, and refuses what it has dropped, if the clock steps back. So
/// capacity and shares are those of one server.
pub(super) struct SharedGuard<R> {
    register: R,
    wheel: Arc<ReplayWheel>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    limits: SharedLimits,
    /// Bounds how many wait for the register.
    places: Semaphore,
}

impl<R: Register> SharedGuard<R> {
    /// A guard in the current runtime.
    pub(super) fn new(
        register: R,
        (wheel, limits): (ReplayLimits, SharedLimits),
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let wheel = Arc::new(ReplayWheel::new(wheel, Arc::clone(&clock), &*random));
        wheel.sweep_every(SWEEP_INTERVAL);
        let places = Semaphore::new(limits.waiting.clamp(1, Semaphore::MAX_PERMITS));
        Self { register, wheel, clock, random, limits, places }
    }

    fn attempt(&self) -> Attempt {
        let mut attempt = [0; 16];
        self.random.fill(&mut attempt);
        Attempt(attempt)
    }
}

#[async_trait]
impl<R: Register> ReplayGuard for SharedGuard<R> {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        // What comes first leaves the token unspent.
        self.register.admit(&spend, self.clock.now())?;
        let _place = self.places.try_acquire().map_err(|_| {
            GuardError::Unavailable("too many uses wait for the replay guard".to_owned())
        })?;
        self.wheel.record(&spend)?;
        let entering = self.register.enter(&spend, self.attempt());
        let answer = tokio::time::timeout(self.limits.answer, entering).await;
        answer.unwrap_or_else(|_| {
            let limit = self.limits.answer;
            Err(GuardError::Unavailable(format!("it did not answer within {limit:?}")))
        })?;
        // The answer may have come late.
        check_window(&spend, self.clock.now())
    }

    async fn check(&self) -> Result<(), GuardError> {
        self.register.check()
    }

    fn waits_until(&self) -> Option<UnixTime> {
        self.register.forgotten_until().filter(|until| self.clock.now() <= *until)
    }

    /// Those that this server has seen.
    fn live_uses(&self) -> Option<usize> {
        self.wheel.live_uses()
    }
}

//! How often one may ask.

use std::num::NonZeroU32;
use std::time::Duration;

/// The longest that it may take until a burst that was used up can be used again. Nobody is
/// remembered for longer.
pub const MAX_RECOVERY: Duration = Duration::from_hours(1);

/// The shortest time between two requests.
const MIN_INTERVAL: Duration = Duration::from_micros(1);

/// So many requests in so much time, and so many at once: the generic cell rate algorithm
/// (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    interval: Duration,
    burst: NonZeroU32,
}

/// There can be no such limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateLimitError {
    /// It limits nothing.
    #[error("more than 1000000 requests in a second are no limit")]
    TooFast,
    /// Callers would have to be remembered for too long.
    #[error("it would take more than an hour until a burst of {0} could be used again")]
    TooSlow(NonZeroU32),
}

impl RateLimit {
    /// `requests` in each `period`, of which `burst` may come at once.
    ///
    /// # Errors
    /// [`RateLimitError`].
    pub fn new(
        requests: NonZeroU32,
        period: Duration,
        burst: NonZeroU32,
    ) -> Result<Self, RateLimitError> {
        let interval = period / requests.get();
        if interval < MIN_INTERVAL {
            return Err(RateLimitError::TooFast);
        }
        // Rounded down to the nanosecond: three in a second fill a second.
        match interval.checked_mul(burst.get()) {
            Some(recovery) if recovery <= MAX_RECOVERY => Ok(Self { interval, burst }),
            _ => Err(RateLimitError::TooSlow(burst)),
        }
    }

    /// The time after which one more request may come.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How many may come at once.
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(requests: u32, period: Duration, burst: u32) -> Result<RateLimit, RateLimitError> {
        let number = |number| NonZeroU32::new(number).unwrap();
        RateLimit::new(number(requests), period, number(burst))
    }

    #[test]
    fn nobody_is_remembered_for_more_than_an_hour() {
        let hour = Duration::from_hours(1);
        assert_eq!(limit(1000, hour, 1000).unwrap().interval(), Duration::from_millis(3600));
        assert!(matches!(limit(1000, hour, 1001), Err(RateLimitError::TooSlow(_))));
        assert!(matches!(limit(1, hour, u32::MAX), Err(RateLimitError::TooSlow(_))));
        let second = Duration::from_secs(1);
        assert!(limit(1_000_000, second, 1).is_ok());
        assert_eq!(limit(1_000_001, second, 1), Err(RateLimitError::TooFast));
    }
}

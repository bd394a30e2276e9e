//! How often, when and for how long a call is tried.

use std::time::Duration;

use countersign_core::Random;
use tokio::time::{Instant, sleep, timeout};

use crate::call::CallError;

/// How a call that could not be answered is tried again: after pauses that double
/// and are partly random, so that many callers do not come back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts there are in all, the first one among them.
    pub attempts: u32,
    /// At most so long is the pause after the first attempt; it is at least half
    /// of that. The next ones are twice as long each.
    pub first_pause: Duration,
    /// What the doubling ends at.
    pub longest_pause: Duration,
    /// A service that asks for a longer pause (`Retry-After`) gets this one.
    pub longest_retry_after: Duration,
    /// One attempt takes no longer, from the look-up of the name to the last byte.
    pub attempt_time: Duration,
    /// All attempts and pauses together take no longer.
    pub total_time: Duration,
}

impl Default for RetryPolicy {
    /// Five attempts within a minute, each within ten seconds; pauses from a quarter
    /// of a second to five seconds, or twenty if the service asks for it.
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(5),
            longest_retry_after: Duration::from_secs(20),
            attempt_time: Duration::from_secs(10),
            total_time: Duration::from_mins(1),
        }
    }
}

impl RetryPolicy {
    /// Tries until there is an answer or no sense in asking again.
    pub(crate) async fn run<T, Attempt>(
        &self,
        random: &dyn Random,
        mut attempt: impl FnMut() -> Attempt,
    ) -> Result<T, CallError>
    where
        Attempt: Future<Output = Result<T, CallError>>,
    {
        let start = Instant::now();
        let mut failed = 0;
        loop {
            let time = self.attempt_time.min(self.total_time.saturating_sub(start.elapsed()));
            let outcome = timeout(time, attempt()).await;
            let error = match outcome.unwrap_or(Err(CallError::TooSlow(time))) {
                Err(error) if error.is_temporary() => error,
                settled => return settled,
            };
            failed += 1;
            let pause = self.pause(failed, error.retry_after(), random);
            if failed >= self.attempts || start.elapsed() + pause >= self.total_time {
                return Err(error);
            }
            tracing::debug!(%error, ?pause, "trying again after a pause");
            sleep(pause).await;
        }
    }

    /// The pause after so many failures.
    fn pause(&self, failed: u32, asked: Option<Duration>, random: &dyn Random) -> Duration {
        let doublings = 2_u32.saturating_pow(failed.saturating_sub(1));
        let half = self.first_pause.saturating_mul(doublings).min(self.longest_pause) / 2;
        // Those who were told the same Retry-After must not come back at once either.
        let least = half.max(asked.unwrap_or_default().min(self.longest_retry_after));
        least + half.mul_f64(fraction(random))
    }
}

/// A random number from 0 to 1.
fn fraction(random: &dyn Random) -> f64 {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    const LEAST: Fixed = Fixed(0);
    const MOST: Fixed = Fixed(0xff);
    const NO_CONNECTION: CallError = CallError::Unreachable(String::new());

    fn busy(seconds: u64) -> CallError {
        CallError::Busy { status: 503, retry_after: Some(Duration::from_secs(seconds)) }
    }

    /// The outcome, the number of attempts and the time they took.
    async fn run(
        policy: RetryPolicy,
        attempt: impl AsyncFn(u32) -> Result<u32, CallError>,
    ) -> (Result<u32, CallError>, u32, Duration) {
        let (start, attempts) = (Instant::now(), Cell::new(0));
        let outcome = policy.run(&LEAST, || {
            attempts.set(attempts.get() + 1);
            attempt(attempts.get())
        });
        (outcome.await, attempts.get(), start.elapsed())
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_vary_by_half() {
        let policy = RetryPolicy::default();
        let millis = |random| {
            [1, 2, 3, 4, 5, 6, 40].map(|failed| policy.pause(failed, None, random).as_millis())
        };
        assert_eq!(millis(&LEAST), [125, 250, 500, 1000, 2000, 2500, 2500]);
        assert_eq!(millis(&MOST), [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }

    #[test]
    fn what_the_service_asks_for_is_the_least_up_to_a_limit() {
        let policy = RetryPolicy::default();
        let pause = |seconds, random| policy.pause(1, Some(Duration::from_secs(seconds)), random);
        assert_eq!(pause(0, &LEAST), Duration::from_millis(125));
        assert_eq!(pause(7, &LEAST), Duration::from_secs(7));
        assert_eq!(pause(7, &MOST), Duration::from_millis(7125));
        assert_eq!(pause(3600, &LEAST), Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_service_is_asked_again_when_it_said() {
        let attempt = async |n| if n < 3 { Err(busy(7)) } else { Ok(n) };
        let (outcome, attempts, took) = run(RetryPolicy::default(), attempt).await;
        assert_eq!((outcome, attempts), (Ok(3), 3));
        assert_eq!(took, Duration::from_secs(14));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_attempts_has_a_limit() {
        let attempt = async |_| Err(NO_CONNECTION);
        let (outcome, attempts, took) = run(RetryPolicy::default(), attempt).await;
        assert_eq!((outcome, attempts), (Err(NO_CONNECTION), 5));
        assert_eq!(took, Duration::from_millis(125 + 250 + 500 + 1000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_has_a_limit() {
        let policy = RetryPolicy { attempts: u32::MAX, ..RetryPolicy::default() };
        let (outcome, attempts, took) = run(policy, async |_| Err(busy(25))).await;
        assert_eq!((outcome, attempts), (Err(busy(25)), 3));
        assert_eq!(took, Duration::from_secs(40));
        let forever = async |_| std::future::pending().await;
        let (outcome, _, took) = run(policy, forever).await;
        assert!(matches!(outcome, Err(CallError::TooSlow(_))), "{outcome:?}");
        assert!(took <= Duration::from_mins(1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_takes_too_long_is_given_up_and_made_again() {
        let attempt = async |n| if n == 1 { std::future::pending().await } else { Ok(n) };
        let (outcome, _, took) = run(RetryPolicy::default(), attempt).await;
        assert_eq!(outcome, Ok(2));
        assert_eq!(took, Duration::from_millis(10_125));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_temporary_is_not_tried_again() {
        for error in [CallError::Status(401), CallError::Malformed, CallError::Redirected] {
            let attempt = async |_| Err(error.clone());
            let (outcome, attempts, _) = run(RetryPolicy::default(), attempt).await;
            assert_eq!((outcome, attempts), (Err(error.clone()), 1));
        }
    }
}

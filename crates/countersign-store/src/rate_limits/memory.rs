//! Counting in the process.

use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::ports::{OverLimit, RateLimiter, RateSubject};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter as Governor};
use quick_cache::sync::Cache;

use super::limit::RateLimit;

/// How many are remembered at one time, which takes 10 MB.
///
/// Beyond that those are forgotten who ask least, and begin anew: whoever can send from more
/// networks than that is not held back, but cannot fill the memory either, nor have those
/// forgotten who ask all the time.
pub const MAX_SUBJECTS: usize = 1 << 16;

/// Counts in this process, in bounded memory.
pub struct MemoryRateLimiter<C: Clock> {
    governor: Governor<RateSubject, Subjects, C, NoOpMiddleware<C::Instant>>,
}

/// What is remembered of each subject.
struct Subjects(Cache<RateSubject, Arc<InMemoryState>>);

impl StateStore for Subjects {
    type Key = RateSubject;

    fn measure_and_replace<T, F, E>(&self, subject: &RateSubject, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let state = self.0.get_or_insert_with(subject, || Ok::<_, Infallible>(Arc::default()));
        let Ok(state) = state;
        state.measure_and_replace(&NotKeyed::NonKey, judge)
    }
}

impl<C: Clock> MemoryRateLimiter<C> {
    /// A limiter that has counted nothing yet.
    #[expect(clippy::missing_panics_doc, reason = "a limit's interval is not zero")]
    pub fn new(limit: RateLimit, clock: C) -> Self {
        // Unwrap safety: a limit's interval is not zero.
        let quota = Quota::with_period(limit.interval()).expect("some time passes");
        let subjects = Subjects(Cache::new(MAX_SUBJECTS));
        Self { governor: Governor::new(quota.allow_burst(limit.burst()), subjects, clock) }
    }

    /// The same at once.
    ///
    /// # Errors
    /// [`OverLimit`].
    pub fn count_now(&self, subject: RateSubject) -> Result<(), OverLimit> {
        self.governor.check_key(&subject).map_err(|not_until| OverLimit {
            retry_after: not_until.wait_time_from(self.governor.clock().now()),
        })
    }
}

#[async_trait]
impl<C> RateLimiter for MemoryRateLimiter<C>
where
    C: Clock + Send + Sync,
{
    async fn count(&self, subject: RateSubject) -> Result<(), OverLimit> {
        self.count_now(subject)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use countersign_core::AccountId;
    use governor::clock::FakeRelativeClock;
    use uuid::Uuid;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limiter(requests: u32, burst: u32) -> (MemoryRateLimiter<FakeRelativeClock>, Manual) {
        let clock = FakeRelativeClock::default();
        let number = |number| NonZeroU32::new(number).unwrap();
        let limit = RateLimit::new(number(requests), SECOND, number(burst)).unwrap();
        (MemoryRateLimiter::new(limit, clock.clone()), Manual(clock))
    }

    struct Manual(FakeRelativeClock);

    fn account(number: u128) -> RateSubject {
        RateSubject::account(AccountId(Uuid::from_u128(number)))
    }

    #[test]
    fn a_burst_passes_and_then_one_request_in_each_interval() {
        let (limiter, clock) = limiter(10, 3);
        for _ in 0..3 {
            assert_eq!(limiter.count_now(account(1)), Ok(()));
        }
        let over = OverLimit { retry_after: SECOND / 10 };
        assert_eq!(limiter.count_now(account(1)), Err(over));
        // What was too many was not counted.
        assert_eq!(limiter.count_now(account(1)), Err(over));
        assert_eq!(limiter.count_now(account(2)), Ok(()), "each is counted apart");
        clock.0.advance(SECOND / 20);
        assert_eq!(limiter.count_now(account(1)), Err(OverLimit { retry_after: SECOND / 20 }));
        clock.0.advance(SECOND / 20);
        assert_eq!(limiter.count_now(account(1)), Ok(()));
        assert!(limiter.count_now(account(1)).is_err());
        clock.0.advance(SECOND);
        let passed = (0..10).filter(|_| limiter.count_now(account(1)).is_ok()).count();
        assert_eq!(passed, 3, "no more than a burst is saved up");
    }

    #[test]
    fn a_long_run_passes_at_the_rate() {
        let (limiter, clock) = limiter(7, 1);
        let mut passed = 0;
        for _ in 0..100_000 {
            passed += u32::from(limiter.count_now(account(1)).is_ok());
            clock.0.advance(Duration::from_millis(1));
        }
        // A hundred seconds, asked in steps of a millisecond of which an interval has 142.9.
        assert!((695..=701).contains(&passed), "{passed}");
    }

    #[test]
    fn many_strangers_fill_no_memory_and_have_nobody_forgotten_who_asks_all_the_time() {
        let (limiter, _) = limiter(1, 100);
        let mut greedy = 0;
        for stranger in 0..8 * MAX_SUBJECTS as u128 {
            assert!(limiter.count_now(account(2 + stranger)).is_ok());
            if stranger % 64 == 0 {
                greedy += u32::from(limiter.count_now(account(1)).is_ok());
            }
        }
        assert_eq!(greedy, 100);
        assert!(limiter.governor.into_state_store().0.len() <= MAX_SUBJECTS);
    }
}

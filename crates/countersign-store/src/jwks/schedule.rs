//! When an endpoint is fetched again.

use std::time::Duration;

use countersign_core::Random;

/// When endpoints are fetched, and for how long their keys hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwksSchedule {
    /// A fetch that succeeded is followed by the next after this time, less up
    /// to a tenth, so that endpoints added together do not stay together.
    pub refresh_every: Duration,
    /// A fetch that failed is followed by the next after this time, twice as
    /// long after each further failure, but not longer than `refresh_every`.
    pub retry_after: Duration,
    /// A token with an unknown `kid` brings the next fetch forward, but no
    /// closer than this to the last.
    pub unknown_kid_cooldown: Duration,
    /// Keys are used for this long after they were last fetched.
    pub keys_hold_for: Duration,
}

impl Default for JwksSchedule {
    fn default() -> Self {
        Self {
            refresh_every: Duration::from_mins(5),
            retry_after: Duration::from_secs(30),
            unknown_kid_cooldown: Duration::from_secs(30),
            keys_hold_for: Duration::from_hours(1),
        }
    }
}

impl JwksSchedule {
    /// How long to wait after a fetch that was the `failures`th to fail in a row.
    pub(super) fn pause(&self, failures: u32, random: &dyn Random) -> Duration {
        let pause = match failures.checked_sub(1) {
            None => self.refresh_every,
            Some(earlier) => self
                .retry_after
                .saturating_mul(2_u32.saturating_pow(earlier))
                .min(self.refresh_every),
        };
        let mut draw = [0; 1];
        random.fill(&mut draw);
        pause.saturating_sub(pause / 10 * u32::from(draw[0]) / 255)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u8);

    impl Random for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn jitter_only_ever_shortens_and_by_a_tenth_at_most() {
        let schedule = JwksSchedule::default();
        assert_eq!(schedule.pause(0, &Always(0)), Duration::from_mins(5));
        assert_eq!(schedule.pause(0, &Always(255)), Duration::from_secs(270));
    }

    #[test]
    fn failures_are_retried_ever_later_up_to_the_usual_pause() {
        let pauses: Vec<u64> = [1, 2, 3, 4, 5, 6, 40, u32::MAX]
            .map(|failures| JwksSchedule::default().pause(failures, &Always(0)).as_secs())
            .to_vec();
        assert_eq!(pauses, [30, 60, 120, 240, 300, 300, 300, 300]);
    }
}

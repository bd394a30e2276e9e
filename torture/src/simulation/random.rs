//! Randomness of a simulated host.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_core::Random;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};

/// Numbers that follow from a seed and from whom they are for.
pub(super) struct Seeded(Mutex<ChaCha8Rng>);

impl Seeded {
    pub(super) fn of(seed: u64, whose: &str) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // Each has a stream of its own.
        let add = |stream: u64, byte| stream.wrapping_mul(257).wrapping_add(u64::from(byte));
        let stream = whose.bytes().fold(0, add);
        random.set_stream(stream);
        Self(Mutex::new(random))
    }

    /// A number below that one.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64() % end.max(1)
    }

    /// Which of so many.
    pub(super) fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// A number of microseconds that is at most so far from zero.
    pub(super) fn within(&self, micros: i64) -> i64 {
        let width = u64::try_from(2 * micros + 1).unwrap_or(1);
        i64::try_from(self.below(width)).unwrap_or(0) - micros
    }

    /// A span between these, in whole milliseconds.
    pub(super) fn span(&self, from: Duration, to: Duration) -> Duration {
        let width = u64::try_from(to.saturating_sub(from).as_millis()).unwrap_or(0);
        from + Duration::from_millis(self.below(width))
    }

    /// True once in so many times.
    pub(super) fn once_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }
}

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

//! Clock and randomness as arguments, so that tests run at a fixed instant.

use crate::time::UnixTime;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present instant by this clock.
    fn now(&self) -> UnixTime;
}

/// Gives unpredictable bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes` with bytes that nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

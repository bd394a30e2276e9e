//! The clocks of the benchmarks: a stopped one that tokens are judged by, so
//! that they can be signed beforehand, and the monotonic one that measures.

use std::time::{Duration, Instant};

use countersign_core::{Clock, UnixTime};

/// The instant at which every benchmark takes place.
pub const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A clock that always shows [`NOW`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> UnixTime {
        NOW
    }
}

/// A running measurement of elapsed time.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to measure.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures elapsed time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

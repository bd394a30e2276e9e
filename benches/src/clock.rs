//! The clocks of the benchmarks: a stopped one that tokens are judged by, so
//! that they can be signed beforehand, and the monotonic one that measures.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign_core::{Clock, UnixTime};

/// The instant at which every benchmark takes place. It lies ahead of engines' clocks, as guards
/// go by the later one after what an engine may have forgotten.
pub const NOW: UnixTime = UnixTime::from_secs(4_070_908_800);

/// A clock that always shows [`NOW`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> UnixTime {
        NOW
    }
}

/// A clock that is an hour behind another until it strikes. A guard that opens then has let the
/// window pass that one lets pass which is new to its engine.
#[derive(Debug, Default)]
pub struct Opening<C> {
    right: C,
    struck: AtomicBool,
}

impl<C> Opening<C> {
    /// An hour behind this one.
    pub fn behind(right: C) -> Self {
        Self { right, struck: AtomicBool::new(false) }
    }

    /// Is right from now on.
    pub fn strike(&self) {
        self.struck.store(true, Ordering::Relaxed);
    }
}

impl<C: Clock> Clock for Opening<C> {
    fn now(&self) -> UnixTime {
        let right = self.right.now();
        if self.struck.load(Ordering::Relaxed) { right } else { right - Duration::from_hours(1) }
    }
}

/// A clock that starts at [`NOW`] and runs so many times as fast as others.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    since: Stopwatch,
    times: u32,
}

impl Running {
    /// Starts it.
    pub fn start(times: u32) -> Self {
        Self { since: Stopwatch::start(), times }
    }
}

impl Clock for Running {
    fn now(&self) -> UnixTime {
        NOW + self.since.elapsed() * self.times
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

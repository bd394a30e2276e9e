//! Time on a simulated host.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_core::{Clock, UnixTime};

/// When simulations begin.
const BEGINNING: UnixTime = UnixTime::from_secs(1_800_000_000);

/// The clock of a host: the simulated time and how wrong it is, in microseconds.
#[derive(Default)]
pub(super) struct HostClock(AtomicI64);

impl HostClock {
    pub(super) fn off_by(micros: i64) -> Self {
        Self(AtomicI64::new(micros))
    }

    /// Steps it.
    pub(super) fn step(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for HostClock {
    fn now(&self) -> UnixTime {
        let true_time = BEGINNING + elapsed();
        UnixTime::from_micros(true_time.as_micros() + self.0.load(Ordering::Relaxed))
    }
}

/// How long the simulation has run, for those who run in it.
pub(super) fn elapsed() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

//! Who there is in the simulated network.

use std::fmt;

use super::plan::{CALLERS, REPLICAS};

/// What replicas are asked on, and the engine.
pub(super) const HTTP: u16 = 80;
pub(super) const REDIS: u16 = 6379;

/// A simulated host; it is called as it shows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    Engine,
    Replica(usize),
    Caller(u32),
    /// Asks replicas all the time whether they work. No fault stands in its way to them.
    Prober,
}

impl Host {
    pub(super) fn name(self) -> String {
        self.to_string()
    }

    /// Everyone that a fault may keep it from.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let replicas = (0..REPLICAS).map(Self::Replica);
        [Self::Engine].into_iter().chain(replicas).chain((0..CALLERS).map(Self::Caller))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine => f.write_str("engine"),
            Self::Replica(number) => write!(f, "replica-{number}"),
            Self::Caller(number) => write!(f, "caller-{number}"),
            Self::Prober => f.write_str("prober"),
        }
    }
}

//! A clock that tests set, and uses to spend.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_core::ports::{ReplayKey, Spend};
use countersign_core::{AccountName, Clock, Random, UnixTime};

/// The instant at which tests begin: later than by the clock of any engine, as the later of
/// two clocks counts.
pub(crate) const NOON: UnixTime = UnixTime::from_secs(4_100_000_000);
/// The tolerance of the tests' tokens.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(20);
/// A clock that stands until it is set.
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn at(now: UnixTime) -> Self {
        Self(AtomicI64::new(now.as_micros()))
    }

    pub(crate) fn set(&self, now: UnixTime) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.set(self.now() + span);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Random bytes that are the same in every run.
pub(crate) struct FixedRandom;

impl Random for FixedRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(place * 37 % 251).unwrap();
        }
    }
}

pub(crate) fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

/// A key; different numbers are different uses.
pub(crate) fn key(number: u64) -> ReplayKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ReplayKey::from_bytes(bytes)
}

/// The use number `number` of an account by a token of this time.
pub(crate) fn spend(account: &AccountName, number: u64, time: UnixTime) -> Spend<'_> {
    Spend { key: key(number), account, time, tolerance: TOLERANCE }
}

//! The wall clock and the operating system's randomness, as Countersign's ports.
//!
//! This is the one place that touches either: everywhere else they are
//! arguments, and `clippy.toml` disallows the functions called here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_core::{AccountId, Clock, Random, UnixTime};

/// The operating system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the wall clock is read")]
    fn now(&self) -> UnixTime {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        UnixTime::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The cryptographic provider's random generator, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "this is where randomness is drawn")]
    fn fill(&self, bytes: &mut [u8]) {
        // Unwrap safety: the generator fails only where the operating system
        // has no entropy source at all, and then nothing may go on.
        aws_lc_rs::rand::fill(bytes).expect("the operating system's random generator");
    }
}

/// Draws a random (version 4) account id.
pub fn random_account_id(random: &dyn Random) -> AccountId {
    AccountId::draw(random)
}

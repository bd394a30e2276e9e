//! Keys of a ring that cannot be used: damaged, or sealed under another encryption key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{LiveKeyRing, OpenRingError};
use crate::readiness::ReadinessCheck;

/// Which keys those are, and what is wrong with each.
#[derive(Default)]
pub(super) struct UnusableKeys(Mutex<Vec<(Box<str>, OpenRingError)>>);

impl UnusableKeys {
    /// These, at the last reading. What was not said before goes to the log.
    pub(super) fn are(&self, now: Vec<(Box<str>, OpenRingError)>) {
        let mut before = self.lock();
        let is_in = |keys: &[(Box<str>, _)], kid: &str| keys.iter().any(|(of, _)| **of == *kid);
        for (kid, error) in now.iter().filter(|(kid, _)| !is_in(&before, kid)) {
            tracing::error!(%kid, %error, "a signing key cannot be used");
        }
        for (kid, _) in before.iter().filter(|(kid, _)| !is_in(&now, kid)) {
            tracing::info!(%kid, "the signing key that could not be used is in order, or gone");
        }
        *before = now;
    }

    /// What is wrong with one of them.
    pub(super) fn take_one(&self) -> Option<OpenRingError> {
        self.lock().pop().map(|(_, error)| error)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Box<str>, OpenRingError)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveKeyRing {
    /// How many keys in the store cannot be used.
    pub fn unusable_keys(&self) -> usize {
        self.unusable.lock().len()
    }
}

/// Says that signing keys cannot be used. Requests are welcome all the same: most need none
/// of them, and every server of the database would turn them away.
pub struct SigningKeysCheck(pub Arc<LiveKeyRing>);

#[async_trait]
impl ReadinessCheck for SigningKeysCheck {
    fn name(&self) -> &'static str {
        "signing-keys"
    }

    fn is_vital(&self) -> bool {
        false
    }

    async fn check(&self) -> Result<(), String> {
        match self.0.unusable_keys() {
            0 => Ok(()),
            keys => Err(format!("{keys} of them cannot be used")),
        }
    }
}

//! Keys of a ring that cannot be used: damaged, or sealed under another encryption key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use countersign_core::ports::{SigningKeyRecord, UnreadableSigningKey};
use countersign_core::{SigningKeyState, UnixTime};

use super::{LiveKeyRing, OpenRingError};
use crate::readiness::ReadinessCheck;

/// One of them.
pub(super) struct UnusableKey {
    key: UnreadableSigningKey,
    error: OpenRingError,
}

impl UnusableKey {
    pub(super) fn new(
        record: Result<SigningKeyRecord, UnreadableSigningKey>,
        error: OpenRingError,
    ) -> Self {
        let why = match &error {
            OpenRingError::Damaged { why, .. } => why.clone(),
            _ => "damaged, or sealed under another encryption key".to_owned(),
        };
        let key = match record {
            Ok(key) => UnreadableSigningKey {
                kid: key.kid,
                why,
                algorithm: key.algorithm.name().into(),
                published_at: key.published_at,
                activated_at: key.activated_at,
                retired_at: key.retired_at,
                gone_at: key.gone_at,
            },
            Err(key) => UnreadableSigningKey { why, ..key },
        };
        Self { key, error }
    }
}

/// Which keys those are, and what is wrong with each. One that is gone troubles nobody.
#[derive(Default)]
pub(super) struct UnusableKeys(Mutex<Vec<UnusableKey>>);

impl UnusableKeys {
    /// These, at the last reading. What was not said before goes to the log.
    pub(super) fn are(&self, now: Vec<UnusableKey>, at: UnixTime) {
        let mut before = self.lock();
        let troubles = |keys: &[UnusableKey], kid: &str| {
            keys.iter().any(|one| &*one.key.kid == kid && !is_gone(&one.key, at))
        };
        for UnusableKey { key, .. } in &now {
            if troubles(&now, &key.kid) && !troubles(&before, &key.kid) {
                tracing::error!(
                    kid = &*key.kid,
                    why = key.why,
                    "a signing key cannot be used: {}",
                    remedy(key)
                );
            }
        }
        for UnusableKey { key, .. } in before.iter().filter(|one| !troubles(&now, &one.key.kid)) {
            tracing::info!(
                kid = &*key.kid,
                "the signing key that could not be used is in order, or gone"
            );
        }
        *before = now;
    }

    /// Whether the key is one of them, gone or not.
    pub(super) fn include(&self, kid: &str) -> bool {
        self.lock().iter().any(|one| &*one.key.kid == kid)
    }

    /// Those that should sign.
    pub(super) fn that_sign(&self) -> Vec<Box<str>> {
        let unusable = self.lock();
        let sign = unusable.iter().filter(|one| signs(&one.key));
        sign.map(|one| one.key.kid.clone()).collect()
    }

    /// What is wrong with one of them.
    pub(super) fn take_one(&self) -> Option<OpenRingError> {
        self.lock().pop().map(|one| one.error)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<UnusableKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveKeyRing {
    /// The keys in the store that cannot be used, but for those that are gone.
    pub fn unusable_keys(&self) -> Vec<UnreadableSigningKey> {
        let now = self.clock.now();
        let unusable = self.unusable.lock();
        let keys = unusable.iter().map(|one| &one.key);
        keys.filter(|key| !is_gone(key, now)).cloned().collect()
    }
}

/// What an operator does about a key that cannot be used.
pub(crate) fn remedy(key: &UnreadableSigningKey) -> String {
    if signs(key) {
        "`countersign signing-key rotate --now` lets the next one sign in its place".to_owned()
    } else {
        format!("`countersign signing-key retire {}` lets it go", key.kid)
    }
}

fn signs(key: &UnreadableSigningKey) -> bool {
    key.activated_at.is_some() && key.retired_at.is_none()
}

fn is_gone(key: &UnreadableSigningKey, now: UnixTime) -> bool {
    key.state(now) == SigningKeyState::Gone
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
        match self.0.unusable_keys().len() {
            0 => Ok(()),
            keys => Err(format!("{keys} of them cannot be used")),
        }
    }
}

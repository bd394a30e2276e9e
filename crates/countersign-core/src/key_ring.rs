//! The keys that access tokens are signed with, from publication to oblivion.
//!
//! A verifier that reads the JWKS now and then must know a key before it meets
//! its first signature, and as long as its last one is good. So a key is
//! *published* before it signs, *active* while it does, and *retired* until the
//! last token it signed has expired; then it is *gone*. One standby is always
//! published, so that a rotation has nothing to wait for.

use std::time::Duration;

use serde_json::json;

use crate::algorithm::Algorithm;
use crate::key::{PrivateKey, PublicKey};
use crate::time::UnixTime;

/// How long a key is published before it signs: some verifiers do not read the
/// JWKS again when they meet an unknown `kid`, only when their copy is old.
pub const PUBLISH_AHEAD: Duration = Duration::from_mins(10);

/// Where a signing key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningKeyState {
    /// In the JWKS; it has signed nothing yet.
    Published,
    /// In the JWKS; it signs.
    Active,
    /// In the JWKS; it signs no more, and what it signed may still be good.
    Retired,
    /// Not in the JWKS; all that it signed has expired.
    Gone,
}

/// A key pair for access tokens.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// What tokens call it: the RFC 7638 thumbprint for keys made here, the name
    /// it came with for imported ones.
    pub kid: Box<str>,
    /// The one algorithm it is used with.
    pub algorithm: Algorithm,
    /// The public half.
    pub public_key: PublicKey,
    /// The private half; `None` where an installation only validates.
    pub private_key: Option<PrivateKey>,
    /// Since when it is in the JWKS.
    pub published_at: UnixTime,
    /// Since when it signs.
    pub activated_at: Option<UnixTime>,
    /// Since when it signs no more.
    pub retired_at: Option<UnixTime>,
}

impl SigningKey {
    /// A key of this installation, named by its thumbprint, not active yet.
    pub fn new(key: PrivateKey, algorithm: Algorithm, published_at: UnixTime) -> Self {
        let public_key = key.public_key().clone();
        Self {
            kid: public_key.fingerprints().jwk_thumbprint().into(),
            algorithm,
            public_key,
            private_key: Some(key),
            published_at,
            activated_at: None,
            retired_at: None,
        }
    }
}

/// All signing keys of an installation, for tokens of one greatest lifetime.
///
/// ```
/// use std::time::Duration;
///
/// use countersign_core::{
///     Algorithm, KeyKind, KeyRing, PUBLISH_AHEAD, PrivateKey, Rotation, SigningKey, UnixTime,
/// };
///
/// let start = UnixTime::from_secs(1_800_000_000);
/// let key = |at| -> Result<_, Box<dyn std::error::Error>> {
///     Ok(SigningKey::new(PrivateKey::generate(KeyKind::P256)?, Algorithm::Es256, at))
/// };
/// let mut first = key(start)?;
/// first.activated_at = Some(start);
/// let ring = KeyRing::new(vec![first, key(start)?], Duration::from_mins(15));
///
/// assert!(ring.rotation(start, Rotation::Published).is_err(), "the standby is too young");
/// let step = ring.rotation(start + PUBLISH_AHEAD, Rotation::Published)?;
/// let ring = ring.after(&step, key(start + PUBLISH_AHEAD)?);
/// assert_eq!(ring.active().map(|key| &key.kid), Some(&step.activate));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyRing {
    keys: Vec<SigningKey>,
    longest_lifetime: Duration,
}

/// How careful a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The next key must have been published for [`PUBLISH_AHEAD`].
    Published,
    /// At once, because the active key is no longer a secret: verifiers with an
    /// old copy of the JWKS will refuse tokens until they read it again.
    Emergency,
}

/// What a rotation changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationStep {
    /// The key that signs from now on.
    pub activate: Box<str>,
    /// The key that signed until now, if one did.
    pub retire: Option<Box<str>>,
    /// When.
    pub at: UnixTime,
}

/// Why keys cannot be rotated now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// There is no published key whose private half is here.
    #[error("there is no published key to rotate to")]
    NoStandby,
    /// The next key has been published for too short a time.
    #[error(
        "the next key has not been in the JWKS for {} minutes yet: wait, or rotate as an emergency",
        PUBLISH_AHEAD.as_secs() / 60
    )]
    TooEarly {
        /// From when on it may sign.
        ready_at: UnixTime,
    },
}

impl KeyRing {
    /// A ring of these keys, whose tokens live at most `longest_lifetime`.
    pub fn new(keys: Vec<SigningKey>, longest_lifetime: Duration) -> Self {
        Self { keys, longest_lifetime }
    }

    /// The key that signs.
    pub fn active(&self) -> Option<&SigningKey> {
        let signs = |key: &&SigningKey| key.activated_at.is_some() && key.retired_at.is_none();
        self.keys.iter().filter(signs).max_by_key(|key| key.activated_at)
    }

    /// The key that will sign next: the one published longest.
    pub fn standby(&self) -> Option<&SigningKey> {
        let waits = |key: &&SigningKey| {
            key.activated_at.is_none() && key.retired_at.is_none() && key.private_key.is_some()
        };
        self.keys.iter().filter(waits).min_by_key(|key| key.published_at)
    }

    /// Where a key stands at `now`.
    pub fn state(&self, key: &SigningKey, now: UnixTime) -> SigningKeyState {
        match (key.activated_at, key.retired_at) {
            (_, Some(retired)) if now > retired + self.longest_lifetime => SigningKeyState::Gone,
            (_, Some(_)) => SigningKeyState::Retired,
            (Some(_), None) => SigningKeyState::Active,
            (None, None) => SigningKeyState::Published,
        }
    }

    /// Every key that is not gone, in order of publication: what the JWKS holds
    /// and what tokens are verified with.
    pub fn published(&self, now: UnixTime) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().filter(move |key| self.state(key, now) != SigningKeyState::Gone)
    }

    /// The key that a token's `kid` and `alg` mean.
    pub fn verifier(&self, kid: &str, algorithm: Algorithm, now: UnixTime) -> Option<&SigningKey> {
        self.published(now).find(|key| &*key.kid == kid && key.algorithm == algorithm)
    }

    /// The JWKS (RFC 7517 section 5): always `kid`, `use` and `alg`, never `x5c`.
    pub fn jwks(&self, now: UnixTime) -> String {
        let entries: Vec<_> = self
            .published(now)
            .map(|key| {
                let mut jwk = key.public_key.to_jwk();
                jwk["kid"] = (*key.kid).into();
                jwk["alg"] = key.algorithm.name().into();
                jwk
            })
            .collect();
        json!({ "keys": entries }).to_string()
    }

    /// What a rotation at `now` changes. A ring whose standby will be its first
    /// key to sign has nothing to wait for: nobody has a copy of its JWKS.
    ///
    /// # Errors
    /// [`RotationError`] if there is no key to rotate to, or not yet.
    pub fn rotation(&self, now: UnixTime, how: Rotation) -> Result<RotationStep, RotationError> {
        let next = self.standby().ok_or(RotationError::NoStandby)?;
        let is_first = self.keys.iter().all(|key| key.activated_at.is_none());
        let ready_at = next.published_at + PUBLISH_AHEAD;
        if how == Rotation::Published && !is_first && now < ready_at {
            return Err(RotationError::TooEarly { ready_at });
        }
        Ok(RotationStep {
            activate: next.kid.clone(),
            retire: self.active().map(|key| key.kid.clone()),
            at: now,
        })
    }

    /// The ring after a rotation, with the next standby.
    #[must_use]
    pub fn after(mut self, step: &RotationStep, standby: SigningKey) -> Self {
        for key in &mut self.keys {
            if key.kid == step.activate {
                key.activated_at = Some(step.at);
            } else if step.retire.as_ref() == Some(&key.kid) {
                key.retired_at = Some(step.at);
            }
        }
        self.keys.push(standby);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyKind;

    const START: UnixTime = UnixTime::from_secs(1_800_000_000);
    const LIFETIME: Duration = Duration::from_mins(15);
    const MOMENT: Duration = Duration::from_micros(1);

    fn key(at: UnixTime) -> SigningKey {
        SigningKey::new(PrivateKey::generate(KeyKind::Ed25519).unwrap(), Algorithm::EdDsa, at)
    }

    /// One key signs since `START`, another waits since then.
    fn ring() -> KeyRing {
        let mut active = key(START);
        active.activated_at = Some(START);
        KeyRing::new(vec![active, key(START)], LIFETIME)
    }

    fn kids(ring: &KeyRing, now: UnixTime) -> Vec<String> {
        ring.published(now).map(|key| key.kid.to_string()).collect()
    }

    #[test]
    fn every_key_is_in_the_jwks_long_before_it_signs() {
        let mut ring = ring();
        let mut now = START;
        for _ in 0..5 {
            now = now + PUBLISH_AHEAD;
            let before = kids(&ring, now - PUBLISH_AHEAD + MOMENT);
            let step = ring.rotation(now, Rotation::Published).unwrap();
            ring = ring.after(&step, key(now));
            assert_eq!(ring.active().unwrap().kid, step.activate);
            assert!(before.contains(&step.activate.to_string()));
        }
    }

    #[test]
    fn a_retired_key_is_there_until_its_last_token_has_expired() {
        let ring = ring();
        let retired = ring.active().unwrap().kid.clone();
        let at = START + PUBLISH_AHEAD;
        let step = ring.rotation(at, Rotation::Published).unwrap();
        let ring = ring.after(&step, key(at));
        for (now, there) in [(at, true), (at + LIFETIME, true), (at + LIFETIME + MOMENT, false)] {
            assert_eq!(ring.verifier(&retired, Algorithm::EdDsa, now).is_some(), there);
            assert_eq!(ring.jwks(now).contains(&*retired), there);
        }
        let states: Vec<_> = ring.keys.iter().map(|key| ring.state(key, at)).collect();
        let expected =
            [SigningKeyState::Retired, SigningKeyState::Active, SigningKeyState::Published];
        assert_eq!(states, expected);
    }

    #[test]
    fn a_standby_that_is_too_young_signs_only_in_an_emergency() {
        let ring = ring();
        let early = START + PUBLISH_AHEAD - MOMENT;
        let ready_at = START + PUBLISH_AHEAD;
        let refused = ring.rotation(early, Rotation::Published);
        assert_eq!(refused, Err(RotationError::TooEarly { ready_at }));
        assert!(ring.rotation(early, Rotation::Emergency).is_ok());
    }

    #[test]
    fn the_first_key_of_a_ring_need_not_wait() {
        let ring = KeyRing::new(vec![key(START)], LIFETIME);
        let step = ring.rotation(START, Rotation::Published).unwrap();
        assert_eq!(step.retire, None);
        let empty = KeyRing::new(Vec::new(), LIFETIME);
        assert_eq!(empty.rotation(START, Rotation::Emergency), Err(RotationError::NoStandby));
    }

    #[test]
    fn a_public_key_alone_verifies_and_never_signs() {
        let mut imported = key(START);
        imported.private_key = None;
        imported.kid = "as it came".into();
        let ring = KeyRing::new(vec![imported], LIFETIME);
        assert!(ring.verifier("as it came", Algorithm::EdDsa, START).is_some());
        assert_eq!(ring.rotation(START, Rotation::Emergency), Err(RotationError::NoStandby));
    }

    #[test]
    fn a_kid_means_a_key_for_its_own_algorithm_only() {
        let pair = PrivateKey::generate(KeyKind::Rsa(crate::key::RsaBits::B2048)).unwrap();
        let rsa = SigningKey::new(pair, Algorithm::Rs256, START);
        let kid = rsa.kid.clone();
        let ring = KeyRing::new(vec![rsa], LIFETIME);
        assert!(ring.verifier(&kid, Algorithm::Rs256, START).is_some());
        assert!(ring.verifier(&kid, Algorithm::Rs512, START).is_none());
        let jwks: serde_json::Value = serde_json::from_str(&ring.jwks(START)).unwrap();
        assert_eq!(jwks["keys"][0]["alg"], "RS256");
        assert_eq!(jwks["keys"][0]["use"], "sig");
        assert_eq!(jwks["keys"][0]["kid"], *kid);
        assert!(jwks["keys"][0].get("x5c").is_none());
    }
}

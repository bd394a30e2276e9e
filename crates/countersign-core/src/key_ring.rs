//! The keys that access tokens are signed with, from publication to oblivion.
//!
//! A verifier that reads the JWKS now and then must know a key before it meets
//! its first signature, and as long as its last one is good. So a key is
//! *published* before it signs, *active* while it does, and *retired* until the
//! last token it signed has expired; then it is *gone*. One standby is always
//! published, so that a rotation has nothing to wait for. A key that is no longer
//! a secret is gone at once.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use crate::algorithm::Algorithm;
use crate::key::{PrivateKey, PublicKey};
use crate::time::UnixTime;

/// How long a key is published before it signs: some verifiers do not read the
/// JWKS again when they meet an unknown `kid`, only when their copy is old.
pub const PUBLISH_AHEAD: Duration = Duration::from_mins(10);
/// How long after its retirement a key may still have signed: by a request that
/// had taken it before, or on a replica that had not heard yet.
pub const LATE_SIGNATURES: Duration = Duration::from_mins(1);

/// Where a signing key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningKeyState {
    /// In the JWKS; it has signed nothing yet.
    Published,
    /// In the JWKS; it signs.
    Active,
    /// In the JWKS; it signs no more, and what it signed may still be good.
    Retired,
    /// Not in the JWKS: what it signed has expired, or is not to be trusted.
    Gone,
}

impl SigningKeyState {
    /// Where a key stands at `now` that signs since, signs no more since, and is gone from.
    pub fn at(now: UnixTime, dates: [Option<UnixTime>; 3]) -> Self {
        match dates {
            [_, _, Some(gone)] if now >= gone => Self::Gone,
            [_, Some(_), _] => Self::Retired,
            [Some(_), None, _] => Self::Active,
            [None, None, _] => Self::Published,
        }
    }
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
    /// From when on nothing that it signed is accepted. It is written down at
    /// the retirement, so that it does not move with a later setting.
    pub gone_at: Option<UnixTime>,
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
            gone_at: None,
        }
    }

    /// Where the key stands at `now`.
    pub fn state(&self, now: UnixTime) -> SigningKeyState {
        SigningKeyState::at(now, [self.activated_at, self.retired_at, self.gone_at])
    }
}

/// All signing keys of an installation.
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
/// let ring = KeyRing::new(vec![first, key(start)?])?;
///
/// let rotation = Rotation::Scheduled { longest_lifetime: Duration::from_mins(15) };
/// assert!(ring.rotation(start, rotation).is_err(), "the standby is too young");
/// let step = ring.rotation(start + PUBLISH_AHEAD, rotation)?;
/// let ring = ring.after(&step, key(start + PUBLISH_AHEAD)?)?;
/// assert_eq!(ring.active().map(|key| &key.kid), Some(&step.activate));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyRing {
    keys: Vec<SigningKey>,
}

/// Two keys of a ring have one name. A token's `kid` must mean one key, also
/// where the same key pair would serve two algorithms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two signing keys are called {0}")]
pub struct AmbiguousKid(pub Box<str>);

/// Why and how keys are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// In time: the next key must have been published for [`PUBLISH_AHEAD`], and
    /// what the former key signed stays good.
    Scheduled {
        /// How long the tokens signed so far live at most.
        longest_lifetime: Duration,
    },
    /// At once, because the active key is no longer a secret: nothing that it
    /// signed is accepted any more, and verifiers with an old copy of the JWKS
    /// refuse new tokens until they read it again.
    Compromised,
}

/// What a rotation changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationStep {
    /// The key that signs from now on.
    pub activate: Box<str>,
    /// Every key that signed until now.
    pub retire: Vec<Box<str>>,
    /// When.
    pub at: UnixTime,
    /// From when on nothing that they signed is accepted.
    pub gone_at: UnixTime,
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
        "the next key has not been in the JWKS for {} minutes yet: wait, or say that the active one is compromised",
        PUBLISH_AHEAD.as_secs() / 60
    )]
    TooEarly {
        /// From when on it may sign.
        ready_at: UnixTime,
    },
}

impl KeyRing {
    /// A ring of these keys.
    ///
    /// # Errors
    /// [`AmbiguousKid`] if two have one name.
    pub fn new(mut keys: Vec<SigningKey>) -> Result<Self, AmbiguousKid> {
        keys.sort_by_key(|key| key.published_at);
        let mut kids = HashSet::new();
        match keys.iter().find(|key| !kids.insert(&key.kid)) {
            Some(twin) => Err(AmbiguousKid(twin.kid.clone())),
            None => Ok(Self { keys }),
        }
    }

    /// The key that signs: of several, the one activated last.
    pub fn active(&self) -> Option<&SigningKey> {
        self.signing().filter(|key| key.private_key.is_some()).max_by_key(|key| key.activated_at)
    }

    fn signing(&self) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().filter(|key| key.activated_at.is_some() && key.retired_at.is_none())
    }

    /// The key that will sign next: the one published longest.
    pub fn standby(&self) -> Option<&SigningKey> {
        let waits = |key: &&SigningKey| {
            key.activated_at.is_none() && key.retired_at.is_none() && key.private_key.is_some()
        };
        self.keys.iter().filter(waits).min_by_key(|key| key.published_at)
    }

    /// Every key that is not gone, in order of publication: what the JWKS holds
    /// and what tokens are verified with.
    pub fn published(&self, now: UnixTime) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().filter(move |key| key.state(now) != SigningKeyState::Gone)
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

    /// What a rotation at `now` changes. A ring that holds nothing but its standby
    /// has nothing to wait for: nobody has a copy of its JWKS.
    ///
    /// # Errors
    /// [`RotationError`] if there is no key to rotate to, or not yet.
    pub fn rotation(&self, now: UnixTime, how: Rotation) -> Result<RotationStep, RotationError> {
        let next = self.standby().ok_or(RotationError::NoStandby)?;
        let gone_at = match how {
            Rotation::Compromised => now,
            Rotation::Scheduled { longest_lifetime } => {
                let ready_at = next.published_at + PUBLISH_AHEAD;
                if self.keys.len() > 1 && now < ready_at {
                    return Err(RotationError::TooEarly { ready_at });
                }
                now + LATE_SIGNATURES + longest_lifetime
            }
        };
        let retire = self.signing().map(|key| key.kid.clone()).collect();
        Ok(RotationStep { activate: next.kid.clone(), retire, at: now, gone_at })
    }

    /// The ring after a rotation, with the next standby.
    ///
    /// # Errors
    /// [`AmbiguousKid`] if the standby is called like another key.
    pub fn after(mut self, step: &RotationStep, standby: SigningKey) -> Result<Self, AmbiguousKid> {
        for key in &mut self.keys {
            if key.kid == step.activate {
                key.activated_at = Some(step.at);
            } else if step.retire.contains(&key.kid) {
                key.retired_at = Some(step.at);
                key.gone_at = Some(step.gone_at);
            }
        }
        self.keys.push(standby);
        Self::new(self.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyKind;

    const START: UnixTime = UnixTime::from_secs(1_800_000_000);
    const LIFETIME: Duration = Duration::from_mins(15);
    const MOMENT: Duration = Duration::from_micros(1);
    const SCHEDULED: Rotation = Rotation::Scheduled { longest_lifetime: LIFETIME };

    fn key(at: UnixTime) -> SigningKey {
        SigningKey::new(PrivateKey::generate(KeyKind::Ed25519).unwrap(), Algorithm::EdDsa, at)
    }

    fn active(at: UnixTime) -> SigningKey {
        SigningKey { activated_at: Some(at), ..key(at) }
    }

    /// One key signs since `START`, another waits since then.
    fn ring() -> KeyRing {
        KeyRing::new(vec![active(START), key(START)]).unwrap()
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
            let step = ring.rotation(now, SCHEDULED).unwrap();
            ring = ring.after(&step, key(now)).unwrap();
            assert_eq!(ring.active().unwrap().kid, step.activate);
            assert!(before.contains(&step.activate.to_string()));
        }
    }

    #[test]
    fn a_retired_key_is_there_until_its_last_token_has_expired() {
        let ring = ring();
        let retired = ring.active().unwrap().kid.clone();
        let at = START + PUBLISH_AHEAD;
        let step = ring.rotation(at, SCHEDULED).unwrap();
        let ring = ring.after(&step, key(at)).unwrap();
        // A token signed late, by a request that had taken the key before.
        let last = at + LATE_SIGNATURES + LIFETIME - MOMENT;
        for (now, there) in [(at, true), (last, true), (last + MOMENT, false)] {
            assert_eq!(ring.verifier(&retired, Algorithm::EdDsa, now).is_some(), there);
            assert_eq!(ring.jwks(now).contains(&*retired), there);
        }
        let mut states: Vec<_> = ring.published(at).map(|key| key.state(at)).collect();
        states.sort_by_key(|state| *state as u8);
        let expected =
            [SigningKeyState::Published, SigningKeyState::Active, SigningKeyState::Retired];
        assert_eq!(states, expected);
    }

    #[test]
    fn a_compromised_key_is_gone_at_once_and_the_next_need_not_wait() {
        let ring = ring();
        let stolen = ring.active().unwrap().kid.clone();
        let early = START + MOMENT;
        let step = ring.rotation(early, Rotation::Compromised).unwrap();
        let ring = ring.after(&step, key(early)).unwrap();
        assert!(ring.verifier(&stolen, Algorithm::EdDsa, early).is_none());
        assert!(!ring.jwks(early).contains(&*stolen));
        assert_eq!(ring.active().unwrap().kid, step.activate);
    }

    #[test]
    fn a_standby_that_is_too_young_does_not_sign() {
        let ring = ring();
        let ready_at = START + PUBLISH_AHEAD;
        let refused = ring.rotation(ready_at - MOMENT, SCHEDULED);
        assert_eq!(refused, Err(RotationError::TooEarly { ready_at }));
        assert!(ring.rotation(ready_at, SCHEDULED).is_ok());
    }

    #[test]
    fn the_first_key_of_a_ring_need_not_wait() {
        let ring = KeyRing::new(vec![key(START)]).unwrap();
        let step = ring.rotation(START, SCHEDULED).unwrap();
        assert!(step.retire.is_empty());
        let empty = KeyRing::new(Vec::new()).unwrap();
        let nothing = empty.rotation(START, Rotation::Compromised);
        assert_eq!(nothing, Err(RotationError::NoStandby));
    }

    #[test]
    fn all_that_signed_is_retired() {
        let later = START + MOMENT;
        let ring = KeyRing::new(vec![active(later), active(START), key(START)]).unwrap();
        assert_eq!(ring.active().unwrap().activated_at, Some(later));
        let step = ring.rotation(START + PUBLISH_AHEAD, SCHEDULED).unwrap();
        assert_eq!(step.retire.len(), 2);
        let ring = ring.after(&step, key(step.at)).unwrap();
        assert_eq!(ring.signing().count(), 1);
    }

    #[test]
    fn a_name_means_one_key() {
        let twin = key(START);
        let refused = KeyRing::new(vec![twin.clone(), twin.clone()]);
        assert_eq!(refused.unwrap_err(), AmbiguousKid(twin.kid.clone()));
        let ring = KeyRing::new(vec![twin.clone()]).unwrap();
        let step = ring.rotation(START, SCHEDULED).unwrap();
        assert!(ring.after(&step, twin).is_err());
    }

    #[test]
    fn a_public_key_alone_verifies_and_never_signs() {
        let imported = SigningKey {
            private_key: None,
            kid: "as it came".into(),
            activated_at: Some(START),
            ..key(START)
        };
        let ring = KeyRing::new(vec![imported]).unwrap();
        assert!(ring.verifier("as it came", Algorithm::EdDsa, START).is_some());
        assert!(ring.active().is_none());
        let nothing = ring.rotation(START, Rotation::Compromised);
        assert_eq!(nothing, Err(RotationError::NoStandby));
    }

    #[test]
    fn a_kid_means_a_key_for_its_own_algorithm_only() {
        let pair = PrivateKey::generate(KeyKind::Rsa(crate::key::RsaBits::B2048)).unwrap();
        let rsa = SigningKey::new(pair, Algorithm::Rs256, START);
        let kid = rsa.kid.clone();
        let ring = KeyRing::new(vec![rsa]).unwrap();
        assert!(ring.verifier(&kid, Algorithm::Rs256, START).is_some());
        assert!(ring.verifier(&kid, Algorithm::Rs512, START).is_none());
        let jwks: serde_json::Value = serde_json::from_str(&ring.jwks(START)).unwrap();
        assert_eq!(jwks["keys"][0]["alg"], "RS256");
        assert_eq!(jwks["keys"][0]["use"], "sig");
        assert_eq!(jwks["keys"][0]["kid"], *kid);
        assert!(jwks["keys"][0].get("x5c").is_none());
    }
}

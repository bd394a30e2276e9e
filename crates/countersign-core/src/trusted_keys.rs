//! The public keys of those whose tokens a service takes.

use smallvec::SmallVec;

use crate::algorithm::Algorithm;
use crate::jwk_set::JwkSet;
use crate::key::{PublicJwk, PublicKey};
use crate::refusal::Reason;
use crate::time::UnixTime;
use crate::token::CHECKS_WITHOUT_KID;

/// Public keys that tokens are verified with, as of some instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedKeys {
    keys: Vec<PublicJwk>,
    expires_at: Option<UnixTime>,
}

impl TrustedKeys {
    /// Keys that hold for ever.
    pub fn new(keys: impl IntoIterator<Item = PublicJwk>) -> Self {
        Self { keys: keys.into_iter().collect(), expires_at: None }
    }

    /// The same, which hold until an instant: nobody vouches for them any longer.
    #[must_use]
    pub fn until(self, expires_at: UnixTime) -> Self {
        Self { expires_at: Some(expires_at), ..self }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether they can be used at `now`: if not, nothing can be said of any token.
    pub fn hold_at(&self, now: UnixTime) -> bool {
        self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// Whether one of the keys made a signature.
    ///
    /// A `kid` means the keys of that name. Keys that have none, such as those from
    /// files, may be meant by any; if none of them is, the key is unknown, and a newer
    /// set may have it. At most [`CHECKS_WITHOUT_KID`] keys are tried.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Reason> {
        let candidates = self.candidates(algorithm, kid);
        if candidates.is_empty() {
            return Err(Reason::KeyUnknown);
        }
        let mut tried = candidates.iter().take(CHECKS_WITHOUT_KID);
        if tried.any(|candidate| candidate.key.verify(algorithm, message, signature)) {
            return Ok(());
        }
        Err(if candidates.len() > CHECKS_WITHOUT_KID {
            Reason::KidRequired
        } else if kid.is_some_and(|kid| !candidates.iter().any(|jwk| is_called(jwk, kid))) {
            Reason::KeyUnknown
        } else {
            Reason::SignatureInvalid
        })
    }

    fn candidates(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> SmallVec<[&PublicJwk; CHECKS_WITHOUT_KID]> {
        let fitting = || {
            self.keys.iter().filter(move |jwk| {
                jwk.key.key_type() == algorithm.key_type()
                    && jwk.algorithm.is_none_or(|only| only == algorithm)
            })
        };
        let Some(kid) = kid else { return fitting().collect() };
        let named: SmallVec<_> = fitting().filter(|jwk| jwk.kid.as_deref() == Some(kid)).collect();
        if !named.is_empty() {
            return named;
        }
        let nameless = || fitting().filter(|jwk| jwk.kid.is_none());
        let meant: SmallVec<_> = nameless().filter(|jwk| is_called(jwk, kid)).collect();
        if meant.is_empty() { nameless().collect() } else { meant }
    }
}

/// Whether a `kid` means this key for certain. One without a name is called by its
/// fingerprints.
fn is_called(jwk: &PublicJwk, kid: &str) -> bool {
    match &jwk.kid {
        Some(name) => name == kid,
        None => jwk.key.fingerprints().matches(kid),
    }
}

impl From<JwkSet> for TrustedKeys {
    fn from(set: JwkSet) -> Self {
        Self::new(set.keys)
    }
}

/// Keys without a name, to be used with every algorithm of their type.
impl FromIterator<PublicKey> for TrustedKeys {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self::new(keys.into_iter().map(|key| PublicJwk { key, kid: None, algorithm: None }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key::{KeyKind, PrivateKey};

    const MESSAGE: &[u8] = b"message";

    fn pair() -> PrivateKey {
        PrivateKey::generate(KeyKind::P256).unwrap()
    }

    fn named(pair: &PrivateKey, kid: &str) -> PublicJwk {
        PublicJwk {
            key: pair.public_key().clone(),
            kid: Some(kid.to_owned()),
            algorithm: Some(Algorithm::Es256),
        }
    }

    fn checked(keys: &TrustedKeys, signer: &PrivateKey, kid: Option<&str>) -> Result<(), Reason> {
        let signature = signer.sign(Algorithm::Es256, MESSAGE).unwrap();
        keys.verify(Algorithm::Es256, kid, MESSAGE, &signature)
    }

    #[test]
    fn a_name_means_the_keys_that_have_it() {
        let (a, b) = (pair(), pair());
        let keys = TrustedKeys::new([named(&a, "a"), named(&b, "b")]);
        assert_eq!(checked(&keys, &a, Some("a")), Ok(()));
        assert_eq!(checked(&keys, &b, None), Ok(()));
        assert_eq!(checked(&keys, &a, Some("b")), Err(Reason::SignatureInvalid));
        assert_eq!(checked(&keys, &a, Some("c")), Err(Reason::KeyUnknown));
        assert_eq!(checked(&keys, &pair(), None), Err(Reason::SignatureInvalid));
        let other = keys.verify(Algorithm::Es384, None, MESSAGE, &[0; 96]);
        assert_eq!(other, Err(Reason::KeyUnknown));
    }

    #[test]
    fn keys_without_a_name_may_be_meant_by_any() {
        let (a, b) = (pair(), pair());
        let keys: TrustedKeys =
            [&a, &b].map(|pair| pair.public_key().clone()).into_iter().collect();
        assert_eq!(checked(&keys, &b, Some("spring")), Ok(()));
        assert_eq!(checked(&keys, &b, None), Ok(()));
        assert_eq!(checked(&keys, &pair(), Some("spring")), Err(Reason::KeyUnknown));
        assert_eq!(checked(&keys, &pair(), None), Err(Reason::SignatureInvalid));
        let fingerprint = a.public_key().fingerprints().jwk_thumbprint();
        assert_eq!(checked(&keys, &a, Some(&fingerprint)), Ok(()));
        assert_eq!(checked(&keys, &b, Some(&fingerprint)), Err(Reason::SignatureInvalid));
    }

    #[test]
    fn no_token_costs_more_than_four_checks() {
        let pairs: Vec<_> = (0..5).map(|_| pair()).collect();
        let keys: TrustedKeys = pairs.iter().map(|pair| pair.public_key().clone()).collect();
        assert_eq!(checked(&keys, &pairs[3], None), Ok(()));
        assert_eq!(checked(&keys, &pairs[4], None), Err(Reason::KidRequired));
        let fingerprint = pairs[4].public_key().fingerprints().jwk_thumbprint();
        assert_eq!(checked(&keys, &pairs[4], Some(&fingerprint)), Ok(()));
    }

    #[test]
    fn keys_hold_until_nobody_vouches_for_them() {
        let now = UnixTime::from_secs(1_800_000_000);
        assert!(TrustedKeys::default().hold_at(now));
        let keys = TrustedKeys::default().until(now);
        assert!(!keys.hold_at(now));
        assert!(keys.hold_at(now - Duration::from_micros(1)));
    }
}

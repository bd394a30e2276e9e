//! Sets of public keys as JSON (RFC 7517 section 5): read from whoever
//! publishes them, and written for our own.

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;

use crate::json::Members;
use crate::key::{JwkError, PublicJwk, PublicKey};

/// The longest JWK set that is read, in bytes.
pub const MAX_JWK_SET_BYTES: usize = 1024 * 1024;
/// The most keys, usable or not, that a JWK set may have.
pub const MAX_JWK_SET_KEYS: usize = 256;

/// A JWK set as it was published.
///
/// A set is read strictly, its entries with tolerance: RFC 7517 section 5 wants
/// entries that one does not understand to be ignored, so that a publisher can
/// add kinds of keys that only some readers know. What is left out, and why, is
/// kept for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwkSet {
    /// The keys that can verify signed requests, in the set's order.
    pub keys: Vec<PublicJwk>,
    /// The other entries, in the set's order.
    pub skipped: Vec<SkippedJwk>,
}

/// An entry of a JWK set that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedJwk {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Why.
    pub reason: SkipReason,
}

/// Why an entry of a JWK set is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// It is no public key for signed requests, or a weak one.
    #[error(transparent)]
    Unusable(#[from] JwkError),
    /// An earlier entry has the same `kid` for the same kind of key, so a token
    /// could mean either; or it is the same key once more.
    #[error("an earlier key of the same kind has the same kid")]
    Duplicate,
}

/// Why a JWK set was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkSetError {
    /// More bytes than [`MAX_JWK_SET_BYTES`].
    #[error("the JWK set is longer than {MAX_JWK_SET_BYTES} bytes")]
    TooLong,
    /// Not a JSON object, or one with a member twice.
    #[error("not a JWK set: expected a JSON object in which every member stands once")]
    NotAnObject,
    /// No member `keys`, or it is no array.
    #[error("not a JWK set: expected a member \"keys\" with an array of keys")]
    NoKeys,
    /// More entries than [`MAX_JWK_SET_KEYS`].
    #[error("the JWK set has more than {MAX_JWK_SET_KEYS} keys")]
    TooManyKeys,
}

impl JwkSet {
    /// Reads a set.
    ///
    /// ```
    /// use countersign_core::JwkSet;
    ///
    /// let set = JwkSet::read(br#"{"keys": [
    ///     {"kty": "OKP", "crv": "Ed25519", "kid": "spring",
    ///      "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ///     {"kty": "AKP", "alg": "ML-DSA-44", "pub": "..."}
    /// ]}"#)?;
    /// assert_eq!(set.keys.len(), 1);
    /// assert_eq!(set.skipped[0].index, 1);
    /// # Ok::<(), countersign_core::JwkSetError>(())
    /// ```
    ///
    /// # Errors
    /// [`JwkSetError`] if it is no JWK set, or too large. Entries that cannot be
    /// used are no error.
    pub fn read(json: &[u8]) -> Result<Self, JwkSetError> {
        if json.len() > MAX_JWK_SET_BYTES {
            return Err(JwkSetError::TooLong);
        }
        let members = Members::read(json).ok_or(JwkSetError::NotAnObject)?;
        let array = members.value("keys").ok_or(JwkSetError::NoKeys)?;
        let entries = serde_json::Deserializer::from_str(array.text())
            .deserialize_seq(Entries)
            .map_err(|_| JwkSetError::NoKeys)?
            .ok_or(JwkSetError::TooManyKeys)?;
        let mut set = Self::default();
        for (index, entry) in entries.into_iter().enumerate() {
            match set.read_entry(entry) {
                Ok(key) => set.keys.push(key),
                Err(reason) => set.skipped.push(SkippedJwk { index, reason }),
            }
        }
        Ok(set)
    }

    /// Writes a set of our own request-signing keys.
    ///
    /// Each key's `kid` is the one its signed requests carry
    /// ([`Fingerprints::spki_pem_sha256`](crate::Fingerprints::spki_pem_sha256)):
    /// readers such as `asymmetric_jwt_auth` take a key only if the two are the
    /// same text. `use` and `alg` are always there, certificates (`x5c`) never.
    pub fn write(keys: &[PublicKey]) -> String {
        let entries: Vec<_> = keys
            .iter()
            .map(|key| {
                let mut jwk = key.to_jwk();
                jwk["kid"] = key.fingerprints().spki_pem_sha256().into();
                jwk
            })
            .collect();
        json!({ "keys": entries }).to_string()
    }

    fn read_entry(&self, entry: &RawValue) -> Result<PublicJwk, SkipReason> {
        let key = PublicJwk::read(entry.get())?;
        if self.keys.iter().any(|earlier| are_ambiguous(earlier, &key)) {
            return Err(SkipReason::Duplicate);
        }
        Ok(key)
    }
}

/// Whether a token could mean either key. One `kid` may well name keys of
/// different kinds (RFC 7517 section 4.5), or one key for several algorithms.
fn are_ambiguous(a: &PublicJwk, b: &PublicJwk) -> bool {
    let same_name = match (&a.kid, &b.kid) {
        (None, None) => a.key == b.key,
        (a, b) => a == b,
    };
    let same_algorithm = match (a.algorithm, b.algorithm) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    same_name && same_algorithm && a.key.key_type() == b.key.key_type()
}

impl fmt::Display for SkippedJwk {
    /// One line, whatever the set's author wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}: {}", self.index, self.reason.to_string().escape_debug())
    }
}

/// Reads an array up to the limit; `None` behind it.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = array.next_element()? {
            if entries.len() == MAX_JWK_SET_KEYS {
                // The rest is read away, else the parser complains of it.
                while array.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            entries.push(entry);
        }
        Ok(Some(entries))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::algorithm::Algorithm;
    use crate::key::{KeyKind, PrivateKey};

    fn fresh(kind: KeyKind) -> PublicKey {
        PrivateKey::generate(kind).unwrap().public_key().clone()
    }

    fn jwk(key: &PublicKey, kid: Option<&str>, alg: Option<&str>) -> Value {
        let mut jwk = key.to_jwk();
        for (member, value) in [("kid", kid), ("alg", alg)] {
            match value {
                Some(value) => jwk[member] = value.into(),
                None => drop(jwk.as_object_mut().unwrap().remove(member)),
            }
        }
        jwk
    }

    fn read(keys: &[Value]) -> JwkSet {
        JwkSet::read(json!({ "keys": keys, "extra": 1 }).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_under_the_kid_of_signed_requests() {
        let keys = [fresh(KeyKind::Ed25519), fresh(KeyKind::P256), fresh(KeyKind::P384)];
        let text = JwkSet::write(&keys);
        let set = JwkSet::read(text.as_bytes()).unwrap();
        assert_eq!(set.skipped, []);
        for (read, key) in set.keys.iter().zip(&keys) {
            assert_eq!(&read.key, key);
            assert_eq!(read.kid, Some(key.fingerprints().spki_pem_sha256()));
            assert!(read.algorithm.is_some());
        }
        let entry: Value = serde_json::from_str::<Value>(&text).unwrap()["keys"][0].clone();
        let mut members: Vec<_> = entry.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    }

    #[test]
    fn entries_that_cannot_be_used_are_skipped_with_a_reason() {
        let good = jwk(&fresh(KeyKind::Ed25519), Some("good"), None);
        let with = |member: &str, value: Value| {
            let mut jwk = good.clone();
            jwk[member] = value;
            jwk
        };
        let set = read(&[
            json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}),
            with("use", "enc".into()),
            with("alg", "RS256".into()),
            with("alg", "HS256".into()),
            with("d", "AA".into()),
            json!(7),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
            json!({"kty": "oct", "k": "AAAA"}),
            with("kid", 7.into()),
            good.clone(),
        ]);
        assert_eq!(set.keys.len(), 1);
        assert_eq!(set.keys[0].kid.as_deref(), Some("good"));
        let skipped: Vec<usize> = set.skipped.iter().map(|skipped| skipped.index).collect();
        assert_eq!(skipped, (0..9).collect::<Vec<_>>());
        assert!(set.skipped[6].to_string().contains("at least 2048"), "{}", set.skipped[6]);
    }

    #[test]
    fn of_two_keys_that_a_token_could_mean_the_first_is_used() {
        let (a, b, ec) = (fresh(KeyKind::Ed25519), fresh(KeyKind::Ed25519), fresh(KeyKind::P256));
        let set = read(&[
            jwk(&a, Some("x"), None),
            jwk(&b, Some("x"), Some("EdDSA")),
            jwk(&ec, Some("x"), None),
            jwk(&b, None, None),
            jwk(&a, None, None),
            jwk(&b, None, None),
        ]);
        let keys: Vec<_> = set.keys.iter().map(|jwk| &jwk.key).collect();
        assert_eq!(keys, [&a, &ec, &b, &a]);
        let duplicates: Vec<_> =
            set.skipped.iter().map(|s| (s.index, s.reason == SkipReason::Duplicate)).collect();
        assert_eq!(duplicates, [(1, true), (5, true)]);
    }

    #[test]
    fn one_rsa_key_may_be_published_for_several_algorithms() {
        let rsa = fresh(KeyKind::Rsa(crate::key::RsaBits::from_bits(2048).unwrap()));
        let set = read(&[
            jwk(&rsa, Some("x"), Some("RS256")),
            jwk(&rsa, Some("x"), Some("PS256")),
            jwk(&rsa, Some("x"), Some("RS256")),
        ]);
        let algorithms: Vec<_> = set.keys.iter().map(|jwk| jwk.algorithm).collect();
        assert_eq!(algorithms, [Some(Algorithm::Rs256), Some(Algorithm::Ps256)]);
        assert_eq!(set.skipped.len(), 1);
    }

    #[test]
    fn whatever_is_no_set_is_refused_as_a_whole() {
        let many = |count: usize| json!({ "keys": vec![json!({}); count] }).to_string();
        assert_eq!(JwkSet::read(many(256).as_bytes()).unwrap().skipped.len(), 256);
        assert_eq!(JwkSet::read(many(257).as_bytes()), Err(JwkSetError::TooManyKeys));
        assert_eq!(JwkSet::read(many(5000).as_bytes()), Err(JwkSetError::TooManyKeys));
        let long = format!(r#"{{"keys":[]{}}}"#, " ".repeat(MAX_JWK_SET_BYTES));
        assert_eq!(JwkSet::read(long.as_bytes()), Err(JwkSetError::TooLong));
        for text in ["", "[]", "null", "<html>", r#"{"keys":[],"keys":[]}"#, "{\"keys\":[]"] {
            assert_eq!(JwkSet::read(text.as_bytes()), Err(JwkSetError::NotAnObject), "{text}");
        }
        assert_eq!(JwkSet::read(b"{\"keys\":[\xff]}"), Err(JwkSetError::NotAnObject));
        for text in ["{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":"[]"}"#] {
            assert_eq!(JwkSet::read(text.as_bytes()), Err(JwkSetError::NoKeys), "{text}");
        }
    }

    #[test]
    fn a_reason_is_one_line_whatever_the_set_says() {
        let set = read(&[json!({"kty": "RSA\nforged line\u{1b}[2J"})]);
        assert!(!set.skipped[0].to_string().contains(['\n', '\u{1b}']));
    }
}

//! Project Wycheproof's signature vectors, through the way of our own
//! signatures: keys are read with [`PublicKey::read`] or [`PublicJwk::read`] and
//! checks are made with [`AwsLc`].
//!
//! A vector counts as included if our verdict was compared with Wycheproof's.
//! Each test says how many were, how many were not and why; a count below the
//! recorded one fails it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::{
    Algorithm, AwsLc, JwkError, PublicJwk, PublicKey, PublicKeyError, ReadPublicKeyError,
    SignatureVerifier,
};
use der::Decode as _;
use der::asn1::UintRef;
use wycheproof::{EdwardsCurve, EllipticCurve, HashFunction, TestResult};

/// What became of the vectors of one kind.
struct Tally {
    name: &'static str,
    included: usize,
    excluded: BTreeMap<String, usize>,
}

impl Tally {
    fn new(name: &'static str) -> Self {
        Self { name, included: 0, excluded: BTreeMap::new() }
    }

    fn exclude(&mut self, why: impl Into<String>, count: usize) {
        *self.excluded.entry(why.into()).or_default() += count;
    }

    /// Compares our verdict with Wycheproof's.
    fn judge(&mut self, vector: &Vector<'_>, accepted: bool) {
        match vector.result {
            TestResult::Valid => assert!(accepted, "{vector:?} is valid, but was refused"),
            TestResult::Invalid => assert!(!accepted, "{vector:?} is invalid, but was accepted"),
            TestResult::Acceptable => {}
        }
        self.included += 1;
    }

    /// Says what happened, past the test runner's capture, and compares with
    /// what was recorded.
    fn finish(self, recorded: usize) {
        let excluded: usize = self.excluded.values().sum();
        let mut text =
            format!("wycheproof {}: {} included, {excluded} excluded\n", self.name, self.included);
        for (why, count) in &self.excluded {
            writeln!(text, "  {count:5} excluded: {why}").unwrap();
        }
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        assert!(
            self.included >= recorded,
            "{} vectors of {} were included, {recorded} were before",
            self.included,
            self.name
        );
    }
}

/// Enough of a vector to find it again.
#[derive(Debug)]
struct Vector<'a> {
    #[expect(dead_code, reason = "shown when a verdict is wrong")]
    set: String,
    #[expect(dead_code, reason = "shown when a verdict is wrong")]
    id: usize,
    #[expect(dead_code, reason = "shown when a verdict is wrong")]
    comment: &'a str,
    result: TestResult,
}

#[test]
fn rsa_pkcs1_v1_5() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};

    let mut tally = Tally::new("RSASSA-PKCS1-v1_5 (RS256, RS384, RS512)");
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let algorithm = match group.hash {
                HashFunction::Sha2_256 => Algorithm::Rs256,
                HashFunction::Sha2_384 => Algorithm::Rs384,
                HashFunction::Sha2_512 => Algorithm::Rs512,
                other => {
                    tally.exclude(format!("no JWS algorithm has {other:?}"), group.tests.len());
                    continue;
                }
            };
            let key = PublicKey::read(group.pem.as_bytes()).unwrap().key;
            for test in &group.tests {
                let vector = Vector {
                    set: format!("{name:?}"),
                    id: test.tc_id,
                    comment: &test.comment,
                    result: test.result,
                };
                tally.judge(&vector, AwsLc.verify(&key, algorithm, &test.msg, &test.sig));
            }
        }
    }
    tally.finish(3106);
}

#[test]
fn rsa_pss() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};

    let mut tally = Tally::new("RSASSA-PSS (PS256, PS384, PS512)");
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let (algorithm, length) = match group.hash {
                HashFunction::Sha2_256 => (Algorithm::Ps256, 32),
                HashFunction::Sha2_384 => (Algorithm::Ps384, 48),
                HashFunction::Sha2_512 => (Algorithm::Ps512, 64),
                other => {
                    tally.exclude(format!("no JWS algorithm has {other:?}"), group.tests.len());
                    continue;
                }
            };
            // Half of the sets carry their parameters in the key, which a JWS key
            // does not: the numbers are read instead.
            let key = match rsa_jwk(&group.key.n, &group.key.e) {
                Ok(jwk) => jwk.key,
                Err(JwkError::Key(PublicKeyError::RsaTooShort(bits))) => {
                    tally.exclude(format!("weak key of {bits} bits refused"), group.tests.len());
                    continue;
                }
                Err(error) => panic!("{name:?}: {error}"),
            };
            // RFC 7518 section 3.5: the same hash in MGF1 and a salt of its length.
            let as_in_jws = group.mgf_hash == Some(group.hash) && group.salt_size == length;
            for test in &group.tests {
                // What is valid with other parameters must be refused; what is
                // invalid with others may be valid with ours.
                let result = match (as_in_jws, test.result) {
                    (true, result) => result,
                    (false, TestResult::Valid) => TestResult::Invalid,
                    (false, _) => {
                        tally.exclude("invalid with parameters that a JWS does not have", 1);
                        continue;
                    }
                };
                let vector = Vector {
                    set: format!("{name:?}"),
                    id: test.tc_id,
                    comment: &test.comment,
                    result,
                };
                tally.judge(&vector, AwsLc.verify(&key, algorithm, &test.msg, &test.sig));
            }
        }
    }
    tally.finish(1941);
}

fn rsa_jwk(n: &[u8], e: &[u8]) -> Result<PublicJwk, JwkError> {
    let number = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        URL_SAFE_NO_PAD.encode(&bytes[zeros..])
    };
    let jwk = serde_json::json!({"kty": "RSA", "n": number(n), "e": number(e)});
    PublicJwk::read(&jwk.to_string())
}

#[test]
fn ecdsa() {
    use wycheproof::ecdsa::{TestGroupTypeId, TestName, TestSet};

    let mut tally = Tally::new("ECDSA (ES256, ES384)");
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let (algorithm, length) = match (group.key.curve, group.hash) {
                (EllipticCurve::Secp256r1, HashFunction::Sha2_256) => (Algorithm::Es256, 32),
                (EllipticCurve::Secp384r1, HashFunction::Sha2_384) => (Algorithm::Es384, 48),
                (EllipticCurve::Secp256r1 | EllipticCurve::Secp384r1, hash) => {
                    let why = format!("no JWS algorithm has {hash:?} on this curve");
                    tally.exclude(why, group.tests.len());
                    continue;
                }
                _ => {
                    tally.exclude("curves that are not supported", group.tests.len());
                    continue;
                }
            };
            let key = PublicKey::read(group.pem.as_bytes()).unwrap().key;
            for test in &group.tests {
                let vector = Vector {
                    set: format!("{name:?}"),
                    id: test.tc_id,
                    comment: &test.comment,
                    result: test.result,
                };
                let signature = match group.test_type {
                    TestGroupTypeId::EcdsaP1363 => Some(test.sig.to_vec()),
                    _ => fixed_from_der(&test.sig, length),
                };
                if let Some(signature) = signature {
                    let accepted = AwsLc.verify(&key, algorithm, &test.msg, &signature);
                    tally.judge(&vector, accepted);
                } else {
                    // A JWS cannot even express it; nothing valid may be among these.
                    assert_ne!(vector.result, TestResult::Valid, "{vector:?}");
                    tally.exclude("malformed DER, which a JWS does not have", 1);
                }
            }
        }
    }
    tally.finish(1060);
}

#[derive(der::Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// A DER signature in the form of a JWS, `r || s`; `None` if it is malformed or
/// its numbers are too long.
fn fixed_from_der(der: &[u8], length: usize) -> Option<Vec<u8>> {
    let signature = EcdsaSignature::from_der(der).ok()?;
    let mut fixed = vec![0; 2 * length];
    for (number, place) in [signature.r, signature.s].iter().zip(fixed.chunks_exact_mut(length)) {
        let padding = length.checked_sub(number.as_bytes().len())?;
        place[padding..].copy_from_slice(number.as_bytes());
    }
    Some(fixed)
}

#[test]
fn eddsa() {
    use wycheproof::eddsa::{TestName, TestSet};

    let mut tally = Tally::new("EdDSA (Ed25519)");
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            if group.key.curve != EdwardsCurve::Ed25519 {
                tally.exclude("Ed448 is not supported", group.tests.len());
                continue;
            }
            let key = match PublicKey::read(group.pem.as_bytes()) {
                Ok(file) => file.key,
                Err(ReadPublicKeyError::Refused { reason, .. }) => {
                    // A refused key has no valid signatures.
                    let valid = group.tests.iter().find(|test| test.result == TestResult::Valid);
                    assert!(valid.is_none(), "{name:?}: {valid:?}");
                    tally.exclude(format!("weak key refused: {reason}"), group.tests.len());
                    continue;
                }
                Err(error) => panic!("{name:?}: {error}"),
            };
            for test in &group.tests {
                let vector = Vector {
                    set: format!("{name:?}"),
                    id: test.tc_id,
                    comment: &test.comment,
                    result: test.result,
                };
                let accepted = AwsLc.verify(&key, Algorithm::EdDsa, &test.msg, &test.sig);
                tally.judge(&vector, accepted);
            }
        }
    }
    tally.finish(151);
}

//! Keys that belong to nobody, checked where an account has none.
//!
//! A signature check takes far longer than anything else a request causes, so
//! its absence would tell a stranger which accounts exist. A decoy has the type
//! that the token's algorithm asks for and signatures of the token's length;
//! whatever its check says is ignored.

use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA512, digest};

use crate::algorithm::{Algorithm, KeyType};
use crate::key::{PublicComponents, PublicKey};

/// The shortest and longest RSA signatures, in bytes.
const RSA_LENGTHS: std::ops::RangeInclusive<usize> = 256..=1024;

/// Ed25519: the public key of RFC 8032 section 7.1, test 1.
const ED25519: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// P-256: the public key of RFC 6979 appendix A.2.5.
const P256: &str = "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB67903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";

/// P-384: the public key of RFC 6979 appendix A.2.6.
const P384: &str = "04EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC138015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720";

/// Decoys by type and signature length, each made when it is first needed.
pub struct Decoys {
    ed25519: PublicKey,
    p256: PublicKey,
    p384: PublicKey,
    rsa: Box<[OnceLock<PublicKey>]>,
}

impl Default for Decoys {
    fn default() -> Self {
        let ec = |curve, point: &str| PublicComponents::Ec { curve, point: from_hex(point) };
        Self {
            ed25519: decoy(PublicComponents::Ed25519(ED25519)),
            p256: decoy(ec(KeyType::P256, P256)),
            p384: decoy(ec(KeyType::P384, P384)),
            rsa: RSA_LENGTHS.map(|_| OnceLock::new()).collect(),
        }
    }
}

impl Decoys {
    /// A key of the algorithm's type whose signatures are `length` bytes long;
    /// `None` if no key has signatures of that length.
    pub(crate) fn key(&self, algorithm: Algorithm, length: usize) -> Option<&PublicKey> {
        let fixed = match algorithm.key_type() {
            KeyType::Ed25519 => &self.ed25519,
            KeyType::P256 => &self.p256,
            KeyType::P384 => &self.p384,
            KeyType::Rsa => {
                let slot = self.rsa.get(length.checked_sub(*RSA_LENGTHS.start())?)?;
                return Some(slot.get_or_init(|| decoy(rsa(length))));
            }
        };
        (fixed.signature_length() == length).then_some(fixed)
    }
}

/// A modulus needs no known factors to be calculated with: any odd number of
/// the right length costs the same. This one is larger than that of almost any
/// real key: a signature that is a number above an account's modulus is checked
/// with the decoy, and must not be above that as well.
fn rsa(length: usize) -> PublicComponents {
    let mut modulus: Vec<u8> = (0_u8..16)
        .flat_map(|block| digest(&SHA512, &[b'd', b'e', b'c', b'o', b'y', block]).as_ref().to_vec())
        .take(length)
        .collect();
    modulus[..8].fill(0xff);
    modulus[length - 1] |= 1;
    PublicComponents::rsa(&modulus, &[1, 0, 1])
}

fn decoy(components: PublicComponents) -> PublicKey {
    // Unwrap safety: the components are constants, and a test makes each.
    PublicKey::from_components(components).expect("decoys are acceptable keys")
}

fn from_hex(text: &str) -> Box<[u8]> {
    // Unwrap safety: only the constants above come here.
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_decoy_for_every_signature_that_a_key_can_make() {
        let decoys = Decoys::default();
        for length in RSA_LENGTHS {
            let key = decoys.key(Algorithm::Rs512, length).unwrap();
            assert_eq!(key.signature_length(), length);
            assert_eq!(key.bits(), length * 8);
        }
        for (algorithm, length) in
            [(Algorithm::EdDsa, 64), (Algorithm::Es256, 64), (Algorithm::Es384, 96)]
        {
            assert!(decoys.key(algorithm, length).is_some());
            assert!(decoys.key(algorithm, length - 1).is_none());
        }
        assert!(decoys.key(Algorithm::Ps256, 255).is_none());
        assert!(decoys.key(Algorithm::Ps256, 1025).is_none());
        assert!(decoys.key(Algorithm::Rs256, 0).is_none());
    }
}

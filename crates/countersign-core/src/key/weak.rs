//! Which public keys are too weak to prove anything.

use curve25519_dalek::edwards::CompressedEdwardsY;

use crate::algorithm::KeyType;

/// The smallest RSA modulus that is accepted, in bits.
const MIN_RSA_BITS: usize = 2048;
/// The largest RSA modulus that is accepted, in bits.
const MAX_RSA_BITS: usize = 8192;

/// Why a public key was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The RSA modulus is shorter than 2048 bits.
    #[error("the RSA key has {0} bits, at least {MIN_RSA_BITS} are needed: make a new key")]
    RsaTooShort(usize),
    /// The RSA modulus is longer than 8192 bits.
    #[error("the RSA key has {0} bits, at most {MAX_RSA_BITS} are accepted")]
    RsaTooLong(usize),
    /// The RSA modulus is even, so it is no product of two odd primes.
    #[error("the RSA modulus is even: this is not an RSA key")]
    RsaEvenModulus,
    /// The RSA public exponent is even.
    #[error("the RSA public exponent is even: this is not an RSA key")]
    RsaEvenExponent,
    /// The RSA public exponent is 1 (or 0), which makes every signature valid.
    #[error("the RSA public exponent is {0}, at least 3 is needed")]
    RsaTinyExponent(u64),
    /// The RSA public exponent is larger than 33 bits.
    #[error(
        "the RSA public exponent is longer than 33 bits, which makes verification needlessly slow"
    )]
    RsaHugeExponent,
    /// The Ed25519 point has small order: anyone can sign for it.
    #[error("the Ed25519 key is a point of small order: anyone could sign for it")]
    Ed25519SmallOrder,
    /// The Ed25519 point is not encoded as RFC 8032 says.
    #[error("the Ed25519 key is not canonically encoded (RFC 8032 section 5.1.3)")]
    Ed25519NotCanonical,
    /// The Ed25519 bytes are not a point on the curve.
    #[error("the Ed25519 key is not a point on the curve")]
    Ed25519NotOnCurve,
    /// The EC coordinates are not a point on the curve.
    #[error("the {0} key is not a point on the curve")]
    EcNotOnCurve(KeyType),
    /// The EC point is the one at infinity, which is nobody's key.
    #[error("the {0} key is the point at infinity: this is not a key")]
    EcAtInfinity(KeyType),
    /// The EC point is compressed (SEC1 section 2.3.3), which RFC 5480 allows
    /// but hardly anything writes.
    #[error(
        "the {0} key is a compressed point: convert it, for instance with: \
         openssl ec -pubin -in FILE -conv_form uncompressed"
    )]
    EcCompressed(KeyType),
    /// The EC point is longer or shorter than the curve's points are.
    #[error("the {curve} key has {found} bytes, a point has {expected}")]
    EcWrongLength {
        /// The curve.
        curve: KeyType,
        /// The length of an uncompressed point, in bytes.
        expected: usize,
        /// The length that was found, in bytes.
        found: usize,
    },
    /// A well-formed key of a kind that is not supported.
    #[error("keys of this kind are not supported: {0}; use Ed25519, RSA, EC P-256 or EC P-384")]
    Unsupported(String),
    /// Not a well-formed key.
    #[error("not a well-formed public key: {0}")]
    Malformed(String),
}

/// Checks the size and the parity of an RSA key's numbers, which are big-endian
/// without leading zeros.
pub(super) fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), PublicKeyError> {
    let bits = bit_length(n);
    if bits < MIN_RSA_BITS {
        return Err(PublicKeyError::RsaTooShort(bits));
    }
    if bits > MAX_RSA_BITS {
        return Err(PublicKeyError::RsaTooLong(bits));
    }
    if n.last().is_some_and(|last| last & 1 == 0) {
        return Err(PublicKeyError::RsaEvenModulus);
    }
    if bit_length(e) > 33 {
        return Err(PublicKeyError::RsaHugeExponent);
    }
    let exponent = e.iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
    match exponent {
        0 | 1 => Err(PublicKeyError::RsaTinyExponent(exponent)),
        even if even & 1 == 0 => Err(PublicKeyError::RsaEvenExponent),
        _ => Ok(()),
    }
}

/// aws-lc takes points of small order and unreduced coordinates; a signature
/// under the former says nothing about who made it.
pub(super) fn check_ed25519(bytes: &[u8; 32]) -> Result<(), PublicKeyError> {
    let point = CompressedEdwardsY(*bytes).decompress().ok_or(PublicKeyError::Ed25519NotOnCurve)?;
    if point.compress().0 != *bytes {
        return Err(PublicKeyError::Ed25519NotCanonical);
    }
    if point.is_small_order() {
        return Err(PublicKeyError::Ed25519SmallOrder);
    }
    Ok(())
}

/// The position of the highest set bit of a big-endian number without leading zeros.
pub(super) fn bit_length(bytes: &[u8]) -> usize {
    match bytes.first() {
        None => 0,
        Some(first) => bytes.len() * 8 - first.leading_zeros() as usize,
    }
}

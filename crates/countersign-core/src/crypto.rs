//! The one call that checks a signature.

use crate::algorithm::Algorithm;
use crate::key::PublicKey;

/// A cryptographic provider's signature check.
///
/// Every check that the verification path makes, decoys included, is one call
/// of [`verify`](Self::verify), so that a provider that counts its calls sees
/// all the work that a request causes.
pub trait SignatureVerifier: Send + Sync {
    /// Whether `signature` (in JWS form) is the key's signature of `message`.
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool;
}

/// The default provider, AWS-LC.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

impl SignatureVerifier for AwsLc {
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        key.verify(algorithm, message, signature)
    }
}

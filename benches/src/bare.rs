//! The named limit of every comparison: the provider's own signature check, with
//! nothing of ours around it.

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use countersign_core::{Algorithm, PublicKey};

/// A key as the provider parsed it, once.
pub struct BareCheck(ParsedPublicKey);

impl BareCheck {
    /// Gives a key to the provider, for the algorithm that its clients use.
    ///
    /// # Panics
    /// If it is a key of a type that no benchmark uses.
    pub fn new(key: &PublicKey) -> Self {
        let algorithm: &'static dyn VerificationAlgorithm = match key.default_algorithm() {
            Algorithm::EdDsa => &signature::ED25519,
            Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            other => panic!("no benchmark uses {}", other.name()),
        };
        Self(ParsedPublicKey::new(algorithm, key.to_spki_der()).expect("a key in use"))
    }

    /// Whether `signature` is the key's signature of `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

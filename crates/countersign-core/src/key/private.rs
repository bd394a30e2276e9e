//! A private key: what a caller signs with.

mod components;
mod file;
mod generate;
mod read;
mod write;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair,
};
use zeroize::Zeroizing;

use super::components::PublicComponents;
use super::public::PublicKey;
use super::weak::PublicKeyError;
use crate::algorithm::{Algorithm, KeyType};

pub(crate) use components::{PrivateComponents, RsaNumbers, RsaPrivateKey};
pub use file::{PrivateKeyFile, PrivateKeyFormat, ReadPrivateKeyError};
pub use generate::{KeyKind, RsaBits};
pub use write::WritePrivateKeyError;

/// The signature could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The algorithm takes another type of key.
    #[error("{algorithm} does not sign with an {key_type} key")]
    WrongAlgorithm {
        /// The algorithm asked for.
        algorithm: Algorithm,
        /// The type of the key at hand.
        key_type: KeyType,
    },
    /// Only the public half of the key is here.
    #[error("there is no private key to sign with")]
    NoPrivateKey,
    /// The cryptographic provider failed.
    #[error("the cryptographic provider could not sign")]
    Provider,
}

/// A private key with its public half. Clones share the key; Debug shows only
/// the public fingerprint; the memory is wiped when the last clone goes.
#[derive(Clone)]
pub struct PrivateKey(Arc<Inner>);

struct Inner {
    pair: Pair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
}

/// A private key file could not be read, or is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// Not a well-formed private key.
    #[error("not a well-formed private key: {0}")]
    Malformed(String),
    /// A well-formed key of a kind that is not supported.
    #[error(
        "private keys of this kind are not supported: {0}; use Ed25519, RSA, EC P-256 or EC P-384"
    )]
    Unsupported(String),
    /// The file's public half is not the one of its private half.
    #[error("the public half in the file does not belong to the private half")]
    HalvesDiffer,
    /// The public half is weak.
    #[error(transparent)]
    Weak(#[from] PublicKeyError),
    /// The provider could not generate a key.
    #[error("the cryptographic provider could not generate a key")]
    Generate,
}

impl PrivateKey {
    /// Reads a DER PKCS#8 `PrivateKeyInfo` (RFC 5958) that is not encrypted.
    ///
    /// # Errors
    /// [`PrivateKeyError`] if it is malformed, of an unsupported kind, or weak.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        Self::from_components(PrivateComponents::from_pkcs8_der(der)?)
    }

    /// Checks the parts of a key, and that they belong together.
    pub(crate) fn from_components(
        mut components: PrivateComponents,
    ) -> Result<Self, PrivateKeyError> {
        // A weak public half is refused as what it is, before the provider
        // refuses it in its own words.
        let claimed = components.claimed_public()?;
        if let Some(claimed) = &claimed {
            claimed.check_strength()?;
        }
        let mut pkcs8 = components.to_pkcs8_der()?;
        let (pair, public) = Pair::parse(components.key_type(), &pkcs8)?;
        if claimed.is_some_and(|claimed| claimed != public) {
            return Err(PrivateKeyError::HalvesDiffer);
        }
        if let (PrivateComponents::Ec { point, .. }, PublicComponents::Ec { point: found, .. }) =
            (&mut components, &public)
        {
            *point = Some(found.to_vec());
            pkcs8 = components.to_pkcs8_der()?;
        }
        let public = PublicKey::from_components(public)?;
        Ok(Self(Arc::new(Inner { pair, pkcs8, public })))
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// The algorithm that the original client uses with this type of key:
    /// RS512 for RSA; for EC keys the one the curve allows; `EdDSA` for Ed25519.
    pub fn default_algorithm(&self) -> Algorithm {
        self.0.public.default_algorithm()
    }

    /// Signs a message; the signature is in JWS form (for ECDSA `r || s`,
    /// RFC 7518 section 3.4).
    ///
    /// # Errors
    /// [`SignError::WrongAlgorithm`] if the algorithm takes another type of key.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let key_type = self.0.public.key_type();
        if algorithm.key_type() != key_type {
            return Err(SignError::WrongAlgorithm { algorithm, key_type });
        }
        match &self.0.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Ec(pair) => pair
                .sign(&provider_random(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SignError::Provider),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_encoding(algorithm), &provider_random(), message, &mut signature)
                    .map_err(|_| SignError::Provider)?;
                Ok(signature)
            }
        }
    }

    /// The DER PKCS#8 `PrivateKeyInfo`, not encrypted.
    pub fn to_pkcs8_der(&self) -> Zeroizing<Vec<u8>> {
        self.0.pkcs8.clone()
    }

    /// The numbers of the key.
    pub(crate) fn components(&self) -> Result<PrivateComponents, PrivateKeyError> {
        PrivateComponents::from_pkcs8_der(&self.0.pkcs8)
    }
}

impl Pair {
    /// Gives a PKCS#8 key to the provider, which checks that its numbers belong
    /// together and calculates the public half where it is not there.
    fn parse(key_type: KeyType, pkcs8: &[u8]) -> Result<(Self, PublicComponents), PrivateKeyError> {
        let malformed =
            |error: aws_lc_rs::error::KeyRejected| PrivateKeyError::Malformed(error.to_string());
        match key_type {
            KeyType::Rsa => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(malformed)?;
                let public = PublicComponents::from_pkcs1_der(pair.public_key().as_ref())?;
                Ok((Self::Rsa(pair), public))
            }
            KeyType::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(malformed)?;
                let point = pair.public_key().as_ref().try_into().map_err(|_| {
                    PrivateKeyError::Malformed("an Ed25519 key has 32 bytes".into())
                })?;
                Ok((Self::Ed25519(pair), PublicComponents::Ed25519(point)))
            }
            curve @ (KeyType::P256 | KeyType::P384) => {
                let pair = EcdsaKeyPair::from_pkcs8(ecdsa(curve), pkcs8).map_err(malformed)?;
                let public = PublicComponents::from_sec1_point(curve, pair.public_key().as_ref())?;
                Ok((Self::Ec(pair), public))
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.0.public)
    }
}

fn ecdsa(curve: KeyType) -> &'static signature::EcdsaSigningAlgorithm {
    match curve {
        KeyType::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        _ => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    }
}

fn rsa_encoding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => &signature::RSA_PKCS1_SHA512,
    }
}

/// Signatures are blinded, salted and given their nonces by the provider's own
/// generator, whose output decides nothing that a test would want to repeat.
#[expect(clippy::disallowed_methods, reason = "the provider wants its own generator")]
fn provider_random() -> SystemRandom {
    SystemRandom::new()
}

//! Making new keys.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use zeroize::Zeroizing;

use super::{PrivateKey, PrivateKeyError, ecdsa};
use crate::algorithm::KeyType;

/// A kind of key pair that can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519: small, fast, the default.
    Ed25519,
    /// RSA with 2048, 3072, 4096 or 8192 bits.
    Rsa(RsaBits),
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
}

/// The RSA sizes that can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaBits {
    /// 2048 bits.
    B2048,
    /// 3072 bits.
    B3072,
    /// 4096 bits.
    B4096,
    /// 8192 bits.
    B8192,
}

impl PrivateKey {
    /// Makes a new key pair, from the cryptographic provider's own randomness.
    ///
    /// # Errors
    /// [`PrivateKeyError::Generate`] if the provider fails.
    pub fn generate(kind: KeyKind) -> Result<Self, PrivateKeyError> {
        let failed = |_| PrivateKeyError::Generate;
        let pkcs8 = Zeroizing::new(match kind {
            KeyKind::Ed25519 => {
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
            }
            KeyKind::Rsa(bits) => {
                let pair = RsaKeyPair::generate(bits.size()).map_err(failed)?;
                pair.as_der().map_err(failed)?.as_ref().to_vec()
            }
            KeyKind::P256 => generate_ec(KeyType::P256)?,
            KeyKind::P384 => generate_ec(KeyType::P384)?,
        });
        Self::from_pkcs8_der(&pkcs8)
    }
}

impl RsaBits {
    /// The size with this many bits.
    pub fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            2048 => Some(Self::B2048),
            3072 => Some(Self::B3072),
            4096 => Some(Self::B4096),
            8192 => Some(Self::B8192),
            _ => None,
        }
    }

    fn size(self) -> KeySize {
        match self {
            Self::B2048 => KeySize::Rsa2048,
            Self::B3072 => KeySize::Rsa3072,
            Self::B4096 => KeySize::Rsa4096,
            Self::B8192 => KeySize::Rsa8192,
        }
    }
}

fn generate_ec(curve: KeyType) -> Result<Vec<u8>, PrivateKeyError> {
    EcdsaKeyPair::generate(ecdsa(curve))
        .and_then(|pair| pair.to_pkcs8v1())
        .map(|document| document.as_ref().to_vec())
        .map_err(|_| PrivateKeyError::Generate)
}

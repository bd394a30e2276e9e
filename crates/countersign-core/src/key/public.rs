//! A public key: checked once, and parsed once where there is anything to parse.

mod read;

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::components::PublicComponents;
use super::fingerprint::Fingerprints;
use super::openssh;
use super::weak::{PublicKeyError, bit_length};
use crate::algorithm::{Algorithm, KeyType};

pub use read::{PublicKeyFile, PublicKeyFormat, ReadPublicKeyError};

/// A public key that passed the checks on weak keys, parsed for verification.
///
/// Cloning is cheap: clones share the parsed key.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    material: Material,
    components: PublicComponents,
    fingerprints: Fingerprints,
}

/// A key as the cryptographic provider parsed it, once for each algorithm, when
/// that is first used: most keys of a large directory sleep, and a parsed key
/// takes more memory than all the rest.
enum Material {
    Rsa(Box<[OnceLock<ParsedPublicKey>; 6]>),
    Ec(OnceLock<Box<ParsedPublicKey>>),
    /// There is nothing to keep: the provider calculates nothing ahead for these
    /// keys, it only copies their 32 bytes.
    Ed25519,
}

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7).
    ///
    /// # Errors
    /// [`PublicKeyError`] if it is malformed, of an unsupported kind, or weak.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        Self::from_components(PublicComponents::from_spki_der(der)?)
    }

    /// Checks the components of a key and parses it.
    pub(crate) fn from_components(components: PublicComponents) -> Result<Self, PublicKeyError> {
        components.check_strength()?;
        let material = Material::of(&components)?;
        Ok(Self::assemble(material, components))
    }

    /// Reads back what [`to_spki_der`](Self::to_spki_der) wrote, for a store's own
    /// records: the key was checked before it was stored, and checking it again
    /// at every start would take most of the time of reading a large directory.
    ///
    /// # Errors
    /// [`PublicKeyError`] if it is malformed or of an unsupported kind.
    pub fn from_stored_spki_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let components = PublicComponents::from_spki_der(der)?;
        Ok(Self::assemble(Material::sleeping(&components), components))
    }

    fn assemble(material: Material, components: PublicComponents) -> Self {
        let fingerprints = Fingerprints::of(
            &components.to_spki_pem(),
            &components.canonical_jwk(),
            &openssh::public_blob(&components),
        );
        Self(Arc::new(Inner { material, components, fingerprints }))
    }

    /// What kind of key it is.
    pub fn key_type(&self) -> KeyType {
        self.0.components.key_type()
    }

    /// The algorithm that the original client uses with this type of key: RS512
    /// for RSA; for EC keys the one the curve allows; `EdDSA` for Ed25519.
    pub fn default_algorithm(&self) -> Algorithm {
        match self.key_type() {
            KeyType::Rsa => Algorithm::Rs512,
            KeyType::Ed25519 => Algorithm::EdDsa,
            KeyType::P256 => Algorithm::Es256,
            KeyType::P384 => Algorithm::Es384,
        }
    }

    /// The size of the key: the RSA modulus or the curve's field, in bits.
    pub fn bits(&self) -> usize {
        match &self.0.components {
            PublicComponents::Rsa { n, .. } => bit_length(n),
            PublicComponents::Ec { curve: KeyType::P384, .. } => 384,
            PublicComponents::Ed25519(_) | PublicComponents::Ec { .. } => 256,
        }
    }

    /// The length of this key's signatures in a JWS, in bytes.
    pub fn signature_length(&self) -> usize {
        match &self.0.components {
            PublicComponents::Rsa { n, .. } => n.len(),
            PublicComponents::Ec { curve: KeyType::P384, .. } => 96,
            PublicComponents::Ed25519(_) | PublicComponents::Ec { .. } => 64,
        }
    }

    /// Whether a signature (in JWS form) has this key's length and, for RSA, is
    /// a number below the modulus. A provider refuses others without calculating
    /// (RFC 8017 section 5.2.2), so checking one tells how long that takes.
    pub(crate) fn can_have_made(&self, signature: &[u8]) -> bool {
        let below_modulus = match &self.0.components {
            PublicComponents::Rsa { n, .. } => signature < &**n,
            PublicComponents::Ed25519(_) | PublicComponents::Ec { .. } => true,
        };
        signature.len() == self.signature_length() && below_modulus
    }

    /// What `jwthenticator` calls this key in tokens and in its JWKS: base64url of the
    /// SHA-1 of the SPKI DER. A name and nothing else: it protects nothing.
    pub fn jwthenticator_kid(&self) -> String {
        let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.to_spki_der());
        URL_SAFE_NO_PAD.encode(sha1.as_ref())
    }

    /// The names this key goes by.
    pub fn fingerprints(&self) -> &Fingerprints {
        &self.0.fingerprints
    }

    /// The DER `SubjectPublicKeyInfo`.
    pub fn to_spki_der(&self) -> Vec<u8> {
        self.0.components.to_spki_der()
    }

    /// The SPKI PEM with 64-character lines and a final newline.
    pub fn to_spki_pem(&self) -> String {
        self.0.components.to_spki_pem()
    }

    pub(crate) fn components(&self) -> &PublicComponents {
        &self.0.components
    }

    /// Whether `signature` (in JWS form) is this key's signature of `message`;
    /// never, if the algorithm takes another type of key.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if algorithm.key_type() != self.key_type() {
            return false;
        }
        if let PublicComponents::Ed25519(point) = &self.0.components {
            return verification(algorithm).verify_sig(point, message, signature).is_ok();
        }
        self.parsed(algorithm).is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    /// The parsed key for an algorithm of its type, if there is anything to keep.
    fn parsed(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        match &self.0.material {
            Material::Rsa(slots) => {
                let slot = &slots[rsa_slot(algorithm)?];
                if slot.get().is_none() {
                    // Another thread may have been faster, with the same result.
                    let _ = slot.set(parse(&self.0.components, algorithm)?);
                }
                slot.get()
            }
            Material::Ec(slot) => {
                if slot.get().is_none() {
                    let _ = slot.set(Box::new(parse(&self.0.components, algorithm)?));
                }
                slot.get().map(Box::as_ref)
            }
            Material::Ed25519 => None,
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.components == other.0.components
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.key_type(), self.0.fingerprints.openssh())
    }
}

/// The provider's name for an algorithm.
fn verification(algorithm: Algorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDsa => &signature::ED25519,
    }
}

fn rsa_slot(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::Rs256 => Some(0),
        Algorithm::Rs384 => Some(1),
        Algorithm::Rs512 => Some(2),
        Algorithm::Ps256 => Some(3),
        Algorithm::Ps384 => Some(4),
        Algorithm::Ps512 => Some(5),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}

impl Material {
    /// Nothing parsed yet.
    fn sleeping(components: &PublicComponents) -> Self {
        match components {
            PublicComponents::Rsa { .. } => {
                Self::Rsa(Box::new(std::array::from_fn(|_| OnceLock::new())))
            }
            PublicComponents::Ec { .. } => Self::Ec(OnceLock::new()),
            PublicComponents::Ed25519(_) => Self::Ed25519,
        }
    }

    /// Makes sure that the provider takes the key. What `check_strength` says
    /// of an Ed25519 key is all that there is to say; the others are parsed.
    fn of(components: &PublicComponents) -> Result<Self, PublicKeyError> {
        match components {
            PublicComponents::Ed25519(_) => Ok(Self::Ed25519),
            PublicComponents::Ec { curve, .. } => {
                // The point at infinity and points off the curve are refused here.
                let algorithm =
                    if *curve == KeyType::P384 { Algorithm::Es384 } else { Algorithm::Es256 };
                parse(components, algorithm)
                    .map(|_| Self::Ec(OnceLock::new()))
                    .ok_or(PublicKeyError::EcNotOnCurve(*curve))
            }
            PublicComponents::Rsa { .. } => {
                // RS512 is what the existing clients send.
                let parsed = parse(components, Algorithm::Rs512).ok_or_else(|| {
                    PublicKeyError::Malformed("the cryptographic provider refuses it".into())
                })?;
                let slots = std::array::from_fn(|_| OnceLock::new());
                let _ = slots[2].set(parsed);
                Ok(Self::Rsa(Box::new(slots)))
            }
        }
    }
}

/// Gives a key to the provider, for one algorithm of its type.
fn parse(components: &PublicComponents, algorithm: Algorithm) -> Option<ParsedPublicKey> {
    let der;
    let bytes: &[u8] = match components {
        PublicComponents::Rsa { .. } => {
            der = components.to_spki_der();
            &der
        }
        PublicComponents::Ed25519(point) => point,
        PublicComponents::Ec { point, .. } => point,
    };
    ParsedPublicKey::new(verification(algorithm), bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyKind, PrivateKey, RsaBits};

    #[test]
    fn a_stored_key_comes_back_as_it_was() {
        for kind in [KeyKind::Ed25519, KeyKind::P256, KeyKind::P384, KeyKind::Rsa(RsaBits::B2048)] {
            let pair = PrivateKey::generate(kind).unwrap();
            let key = pair.public_key();
            let stored = PublicKey::from_stored_spki_der(&key.to_spki_der()).unwrap();
            assert_eq!(stored, *key);
            assert_eq!(stored.fingerprints(), key.fingerprints());
            let signature = pair.sign(key.default_algorithm(), b"message").unwrap();
            assert!(stored.verify(key.default_algorithm(), b"message", &signature));
        }
        assert!(PublicKey::from_stored_spki_der(b"not a key").is_err());
    }

    #[test]
    fn a_million_ed25519_keys_fit_into_200_megabytes() {
        let key = PrivateKey::generate(KeyKind::Ed25519).unwrap().public_key().clone();
        assert!(matches!(&key.0.material, Material::Ed25519));
        // An Ed25519 key has nothing on the heap besides this and the two
        // counters of its `Arc`.
        let bytes = size_of::<Inner>() + 2 * size_of::<usize>();
        println!("{bytes} bytes for an Ed25519 key");
        assert!(bytes <= 200, "{bytes} bytes");
    }
}

//! A public key: checked once, parsed once.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curve25519_dalek::edwards::CompressedEdwardsY;
use der::asn1::{BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Encode};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::fingerprint::Fingerprints;
use crate::algorithm::{Algorithm, KeyType};

/// The smallest RSA modulus that is accepted, in bits.
pub(crate) const MIN_RSA_BITS: usize = 2048;
/// The largest RSA modulus that is accepted, in bits.
pub(crate) const MAX_RSA_BITS: usize = 8192;

pub(crate) const OID_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const OID_EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const OID_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const OID_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(crate) const OID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

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
    /// A well-formed key of a kind that is not supported.
    #[error("keys of this kind are not supported: {0}; use Ed25519, RSA, EC P-256 or EC P-384")]
    Unsupported(String),
    /// Not a well-formed key.
    #[error("not a well-formed public key: {0}")]
    Malformed(String),
}

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

/// A key as the cryptographic provider parsed it. RSA keys are parsed once for
/// each of the six RSA algorithms, when it is first used.
enum Material {
    Rsa(Box<[OnceLock<ParsedPublicKey>; 6]>),
    Single(ParsedPublicKey),
}

/// The numbers that make up a public key; the one way to make a [`PublicKey`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PublicComponents {
    /// Big-endian, without leading zeros.
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    /// The 32 bytes of RFC 8032.
    Ed25519([u8; 32]),
    /// SEC1 uncompressed: `04 || x || y`.
    Ec { curve: KeyType, point: Box<[u8]> },
}

#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
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
        let material = components.parse()?;
        let fingerprints = Fingerprints::of(
            &components.to_spki_pem(),
            &components.canonical_jwk(),
            &components.openssh_blob(),
        );
        Ok(Self(Arc::new(Inner { material, components, fingerprints })))
    }

    /// What kind of key it is.
    pub fn key_type(&self) -> KeyType {
        self.0.components.key_type()
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

    /// The parsed key for an algorithm; `None` if the algorithm takes another
    /// type of key.
    pub(crate) fn parsed(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        if algorithm.key_type() != self.key_type() {
            return None;
        }
        match &self.0.material {
            Material::Single(parsed) => Some(parsed),
            Material::Rsa(slots) => {
                let slot = &slots[rsa_slot(algorithm)?];
                if let Some(parsed) = slot.get() {
                    return Some(parsed);
                }
                let der = self.0.components.to_spki_der();
                let parsed = ParsedPublicKey::new(verification(algorithm), der).ok()?;
                Some(slot.get_or_init(|| parsed))
            }
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.components == other.0.components
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.key_type(), self.0.fingerprints.openssh())
    }
}

impl PublicComponents {
    pub(crate) fn from_spki_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let malformed = |error: der::Error| PublicKeyError::Malformed(error.to_string());
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(malformed)?;
        let bytes = spki
            .subject_public_key
            .as_bytes()
            .ok_or_else(|| PublicKeyError::Malformed("the key has unused bits".into()))?;
        match spki.algorithm.oid {
            OID_RSA => Self::from_pkcs1_der(bytes),
            OID_ED25519 => {
                let point = bytes
                    .try_into()
                    .map_err(|_| PublicKeyError::Malformed("an Ed25519 key has 32 bytes".into()))?;
                Ok(Self::Ed25519(point))
            }
            OID_EC => match spki
                .algorithm
                .parameters_oid()
                .map_err(|error| PublicKeyError::Malformed(error.to_string()))?
            {
                OID_P256 => Self::from_sec1_point(KeyType::P256, bytes),
                OID_P384 => Self::from_sec1_point(KeyType::P384, bytes),
                other => Err(PublicKeyError::Unsupported(format!("elliptic curve {other}"))),
            },
            other => Err(PublicKeyError::Unsupported(format!("algorithm {other}"))),
        }
    }

    /// Reads a PKCS#1 `RSAPublicKey` (RFC 8017 appendix A.1.1).
    pub(crate) fn from_pkcs1_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let key = RsaPublicKey::from_der(der)
            .map_err(|error| PublicKeyError::Malformed(error.to_string()))?;
        Ok(Self::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes()))
    }

    /// Takes big-endian numbers, with or without leading zeros.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self::Rsa { n: without_leading_zeros(n).into(), e: without_leading_zeros(e).into() }
    }

    /// Takes an uncompressed SEC1 point.
    pub(crate) fn from_sec1_point(curve: KeyType, point: &[u8]) -> Result<Self, PublicKeyError> {
        let expected = if curve == KeyType::P384 { 97 } else { 65 };
        if point.len() != expected || point[0] != 4 {
            return Err(PublicKeyError::Malformed(format!(
                "an {curve} key is an uncompressed point of {expected} bytes"
            )));
        }
        Ok(Self::Ec { curve, point: point.into() })
    }

    fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa { .. } => KeyType::Rsa,
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::Ec { curve, .. } => *curve,
        }
    }

    fn check_strength(&self) -> Result<(), PublicKeyError> {
        match self {
            Self::Rsa { n, e } => check_rsa(n, e),
            Self::Ed25519(point) => check_ed25519(point),
            // Whether the point is on the curve is checked by parsing it.
            Self::Ec { .. } => Ok(()),
        }
    }

    fn parse(&self) -> Result<Material, PublicKeyError> {
        let (algorithm, bytes): (Algorithm, &[u8]) = match self {
            Self::Rsa { .. } => {
                let slots: [OnceLock<ParsedPublicKey>; 6] =
                    std::array::from_fn(|_| OnceLock::new());
                let der = self.to_spki_der();
                let parsed = ParsedPublicKey::new(verification(Algorithm::Rs512), der)
                    .map_err(|error| PublicKeyError::Malformed(error.to_string()))?;
                // RS512 is what the existing clients send.
                let _ = slots[2].set(parsed);
                return Ok(Material::Rsa(Box::new(slots)));
            }
            Self::Ed25519(point) => (Algorithm::EdDsa, point),
            Self::Ec { curve: KeyType::P384, point } => (Algorithm::Es384, point),
            Self::Ec { point, .. } => (Algorithm::Es256, point),
        };
        ParsedPublicKey::new(verification(algorithm), bytes).map(Material::Single).map_err(|_| {
            match self {
                Self::Ec { curve, .. } => PublicKeyError::EcNotOnCurve(*curve),
                _ => PublicKeyError::Ed25519NotOnCurve,
            }
        })
    }

    pub(crate) fn to_spki_der(&self) -> Vec<u8> {
        let pkcs1;
        let (oid, parameters, bytes): (_, Option<der::AnyRef<'_>>, &[u8]) = match self {
            Self::Rsa { n, e } => {
                pkcs1 = pkcs1_der(n, e);
                (OID_RSA, Some(der::AnyRef::NULL), &pkcs1)
            }
            Self::Ed25519(point) => (OID_ED25519, None, point),
            Self::Ec { curve: KeyType::P384, point } => (OID_EC, Some((&OID_P384).into()), point),
            Self::Ec { point, .. } => (OID_EC, Some((&OID_P256).into()), point),
        };
        let spki = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef { oid, parameters },
            // Unwrap safety: a key of at most 8192 bits fits a bit string.
            subject_public_key: BitStringRef::from_bytes(bytes).expect("short bit string"),
        };
        // Unwrap safety: encoding into a growing buffer does not fail.
        spki.to_der().expect("encodable")
    }

    pub(crate) fn to_spki_pem(&self) -> String {
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        pem::encode_config(&pem::Pem::new("PUBLIC KEY", self.to_spki_der()), config)
    }

    /// The members that RFC 7638 hashes, in its order, without blanks.
    pub(crate) fn canonical_jwk(&self) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n))
            }
            Self::Ed25519(point) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(point))
            }
            Self::Ec { curve, point } => {
                let (x, y) = point[1..].split_at((point.len() - 1) / 2);
                let crv = if *curve == KeyType::P384 { "P-384" } else { "P-256" };
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y))
            }
        }
    }

    /// The key blob of RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4.
    pub(crate) fn openssh_blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        let mut string = |bytes: &[u8], positive: bool| {
            let pad = positive && bytes.first().is_some_and(|first| first & 0x80 != 0);
            let length = u32::try_from(bytes.len() + usize::from(pad)).unwrap_or(u32::MAX);
            blob.extend_from_slice(&length.to_be_bytes());
            if pad {
                blob.push(0);
            }
            blob.extend_from_slice(bytes);
        };
        match self {
            Self::Rsa { n, e } => {
                string(b"ssh-rsa", false);
                string(e, true);
                string(n, true);
            }
            Self::Ed25519(point) => {
                string(b"ssh-ed25519", false);
                string(point, false);
            }
            Self::Ec { curve, point } => {
                let name = if *curve == KeyType::P384 { "nistp384" } else { "nistp256" };
                string(format!("ecdsa-sha2-{name}").as_bytes(), false);
                string(name.as_bytes(), false);
                string(point, false);
            }
        }
        blob
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

fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), PublicKeyError> {
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
fn check_ed25519(bytes: &[u8; 32]) -> Result<(), PublicKeyError> {
    let point = CompressedEdwardsY(*bytes).decompress().ok_or(PublicKeyError::Ed25519NotOnCurve)?;
    if point.compress().0 != *bytes {
        return Err(PublicKeyError::Ed25519NotCanonical);
    }
    if point.is_small_order() {
        return Err(PublicKeyError::Ed25519SmallOrder);
    }
    Ok(())
}

fn pkcs1_der(n: &[u8], e: &[u8]) -> Vec<u8> {
    // Unwrap safety: both are unsigned numbers of at most 8192 bits, and
    // encoding into a growing buffer does not fail.
    let uint = |bytes| UintRef::new(bytes).expect("short number");
    RsaPublicKey { modulus: uint(n), public_exponent: uint(e) }.to_der().expect("encodable")
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

/// The position of the highest set bit of a big-endian number without leading zeros.
fn bit_length(bytes: &[u8]) -> usize {
    match bytes.first() {
        None => 0,
        Some(first) => bytes.len() * 8 - first.leading_zeros() as usize,
    }
}

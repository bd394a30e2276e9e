//! The numbers that a public key is made of, and their encodings.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::{BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Encode};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::weak::{self, PublicKeyError};
use crate::algorithm::KeyType;

pub(crate) const OID_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const OID_EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const OID_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const OID_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(crate) const OID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What people call an algorithm of keys that is not supported.
pub(crate) fn name_of_algorithm(oid: ObjectIdentifier) -> String {
    let name = match oid.to_string().as_str() {
        "1.2.840.113549.1.1.10" => "RSA for PSS only (use a plain RSA key, which signs PSS too)",
        "1.2.840.113549.1.1.7" => "RSA for OAEP only",
        "1.2.840.10040.4.1" => "DSA",
        "1.2.840.113549.1.3.1" => "Diffie-Hellman",
        "1.3.101.110" => "X25519, which does not sign",
        "1.3.101.111" => "X448, which does not sign",
        "1.3.101.113" => "Ed448",
        other => return format!("algorithm {other}"),
    };
    name.to_owned()
}

/// What people call an elliptic curve that is not supported.
pub(crate) fn name_of_curve(oid: ObjectIdentifier) -> String {
    let name = match oid.to_string().as_str() {
        "1.3.132.0.35" => "EC P-521",
        "1.3.132.0.33" => "EC P-224",
        "1.3.132.0.10" => "EC secp256k1",
        other => return format!("elliptic curve {other}"),
    };
    name.to_owned()
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
                other => Err(PublicKeyError::Unsupported(name_of_curve(other))),
            },
            other => Err(PublicKeyError::Unsupported(name_of_algorithm(other))),
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
        match point {
            [0] => Err(PublicKeyError::EcAtInfinity(curve)),
            [2 | 3, ..] => Err(PublicKeyError::EcCompressed(curve)),
            [4, ..] if point.len() == expected => Ok(Self::Ec { curve, point: point.into() }),
            [4, ..] => Err(PublicKeyError::EcWrongLength { curve, expected, found: point.len() }),
            _ => Err(PublicKeyError::Malformed(format!("it is not a point of {curve}"))),
        }
    }

    pub(super) fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa { .. } => KeyType::Rsa,
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::Ec { curve, .. } => *curve,
        }
    }

    /// Refuses keys that prove nothing.
    pub(super) fn check_strength(&self) -> Result<(), PublicKeyError> {
        match self {
            Self::Rsa { n, e } => weak::check_rsa(n, e),
            Self::Ed25519(point) => weak::check_ed25519(point),
            // Whether the point is on the curve is checked by parsing it.
            Self::Ec { .. } => Ok(()),
        }
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

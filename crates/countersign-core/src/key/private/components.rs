//! The numbers that a private key is made of. Every format is brought into
//! these, and from here into PKCS#8, which is what the provider reads.

use der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{AnyRef, Decode, Encode};
use pkcs8::PrivateKeyInfoRef;
use pkcs8::spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::PrivateKeyError;
use crate::algorithm::KeyType;
use crate::key::components::{
    OID_EC, OID_ED25519, OID_P256, OID_P384, OID_RSA, PublicComponents, name_of_algorithm,
    name_of_curve,
};

/// The parts of a private key; nothing but their form has been checked.
pub(crate) enum PrivateComponents {
    /// A PKCS#1 `RSAPrivateKey` (RFC 8017 appendix A.1.2).
    Rsa { pkcs1: Zeroizing<Vec<u8>> },
    /// The seed of RFC 8032 and, if the file had it, the public half.
    Ed25519 { seed: Zeroizing<[u8; 32]>, public: Option<[u8; 32]> },
    /// The scalar in the full length of the field and, if the file had it, the
    /// public point (SEC1, uncompressed).
    Ec { curve: KeyType, scalar: Zeroizing<Vec<u8>>, point: Option<Vec<u8>> },
}

/// RFC 8017 appendix A.1.2, of two primes.
#[derive(der::Sequence)]
pub(crate) struct RsaPrivateKey<'a> {
    version: u8,
    pub(crate) modulus: UintRef<'a>,
    pub(crate) public_exponent: UintRef<'a>,
    pub(crate) private_exponent: UintRef<'a>,
    pub(crate) prime1: UintRef<'a>,
    pub(crate) prime2: UintRef<'a>,
    pub(crate) exponent1: UintRef<'a>,
    pub(crate) exponent2: UintRef<'a>,
    pub(crate) coefficient: UintRef<'a>,
}

/// The numbers of an RSA key, big-endian, in the order of PKCS#1.
pub(crate) struct RsaNumbers<'a> {
    pub(crate) n: &'a [u8],
    pub(crate) e: &'a [u8],
    pub(crate) d: &'a [u8],
    pub(crate) p: &'a [u8],
    pub(crate) q: &'a [u8],
    pub(crate) dp: &'a [u8],
    pub(crate) dq: &'a [u8],
    pub(crate) qi: &'a [u8],
}

/// RFC 5915 section 3.
#[derive(der::Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    parameters: Option<ObjectIdentifier>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    public_key: Option<BitStringRef<'a>>,
}

impl PrivateComponents {
    /// Takes a PKCS#8 `PrivateKeyInfo` apart (RFC 5958).
    pub(crate) fn from_pkcs8_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(malformed)?;
        let key = info.private_key.as_bytes();
        match info.algorithm.oid {
            OID_RSA => Self::from_pkcs1_der(key),
            OID_ED25519 => {
                let seed = <&OctetStringRef>::from_der(key).map_err(malformed)?.as_bytes();
                let public = info.public_key.as_ref().and_then(BitStringRef::as_bytes);
                Self::ed25519(seed, public)
            }
            OID_EC => {
                let curve = curve_of(info.algorithm.parameters_oid().map_err(malformed)?)?;
                let key = EcPrivateKey::from_der(key).map_err(malformed)?;
                Self::ec(curve, key.private_key.as_bytes(), key.point()?)
            }
            other => Err(PrivateKeyError::Unsupported(name_of_algorithm(other))),
        }
    }

    /// Takes a PKCS#1 `RSAPrivateKey`.
    pub(crate) fn from_pkcs1_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        RsaPrivateKey::from_der(der).map_err(malformed)?;
        Ok(Self::Rsa { pkcs1: Zeroizing::new(der.to_vec()) })
    }

    /// Takes a SEC1 `ECPrivateKey` apart, which names its curve itself.
    pub(crate) fn from_sec1_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let key = EcPrivateKey::from_der(der).map_err(malformed)?;
        let curve = key.parameters.ok_or_else(|| {
            PrivateKeyError::Malformed("the key does not say which curve it is on".into())
        })?;
        Self::ec(curve_of(curve)?, key.private_key.as_bytes(), key.point()?)
    }

    /// Makes a PKCS#1 key of its numbers.
    pub(crate) fn rsa(numbers: &RsaNumbers<'_>) -> Result<Self, PrivateKeyError> {
        let key = RsaPrivateKey {
            version: 0,
            modulus: UintRef::new(numbers.n).map_err(malformed)?,
            public_exponent: UintRef::new(numbers.e).map_err(malformed)?,
            private_exponent: UintRef::new(numbers.d).map_err(malformed)?,
            prime1: UintRef::new(numbers.p).map_err(malformed)?,
            prime2: UintRef::new(numbers.q).map_err(malformed)?,
            exponent1: UintRef::new(numbers.dp).map_err(malformed)?,
            exponent2: UintRef::new(numbers.dq).map_err(malformed)?,
            coefficient: UintRef::new(numbers.qi).map_err(malformed)?,
        };
        Ok(Self::Rsa { pkcs1: Zeroizing::new(key.to_der().map_err(malformed)?) })
    }

    pub(crate) fn ed25519(seed: &[u8], public: Option<&[u8]>) -> Result<Self, PrivateKeyError> {
        let wrong_length = |_| PrivateKeyError::Malformed("an Ed25519 key has 32 bytes".into());
        Ok(Self::Ed25519 {
            seed: Zeroizing::new(seed.try_into().map_err(wrong_length)?),
            public: public.map(TryInto::try_into).transpose().map_err(wrong_length)?,
        })
    }

    /// Takes a scalar with or without its leading zeros.
    pub(crate) fn ec(
        curve: KeyType,
        scalar: &[u8],
        point: Option<&[u8]>,
    ) -> Result<Self, PrivateKeyError> {
        let length: usize = if curve == KeyType::P384 { 48 } else { 32 };
        let zeros = scalar.iter().take_while(|byte| **byte == 0).count();
        let significant = &scalar[zeros..];
        let padding = length.checked_sub(significant.len()).ok_or_else(|| {
            PrivateKeyError::Malformed(format!("the private number of an {curve} key is too long"))
        })?;
        let mut padded = Zeroizing::new(vec![0; length]);
        padded[padding..].copy_from_slice(significant);
        Ok(Self::Ec { curve, scalar: padded, point: point.map(<[u8]>::to_vec) })
    }

    pub(crate) fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa { .. } => KeyType::Rsa,
            Self::Ed25519 { .. } => KeyType::Ed25519,
            Self::Ec { curve, .. } => *curve,
        }
    }

    /// The public half, if the file had it; the provider checks that the two
    /// belong together, except where this module says that it does so itself.
    pub(crate) fn claimed_public(&self) -> Result<Option<PublicComponents>, PrivateKeyError> {
        match self {
            Self::Rsa { pkcs1 } => {
                let key = RsaPrivateKey::from_der(pkcs1).map_err(malformed)?;
                Ok(Some(PublicComponents::rsa(
                    key.modulus.as_bytes(),
                    key.public_exponent.as_bytes(),
                )))
            }
            Self::Ed25519 { public, .. } => Ok(public.map(PublicComponents::Ed25519)),
            Self::Ec { curve, point: Some(point), .. } => {
                Ok(Some(PublicComponents::from_sec1_point(*curve, point)?))
            }
            Self::Ec { point: None, .. } => Ok(None),
        }
    }

    /// Writes a PKCS#8 `PrivateKeyInfo`, version 1, which everything reads.
    pub(crate) fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
        let (oid, parameters, key): (_, Option<AnyRef<'_>>, Zeroizing<Vec<u8>>) = match self {
            Self::Rsa { pkcs1 } => (OID_RSA, Some(AnyRef::NULL), pkcs1.clone()),
            Self::Ed25519 { seed, .. } => {
                let seed = OctetStringRef::new(&seed[..]).map_err(malformed)?;
                (OID_ED25519, None, Zeroizing::new(seed.to_der().map_err(malformed)?))
            }
            Self::Ec { curve, scalar, point } => {
                let oid = if *curve == KeyType::P384 { &OID_P384 } else { &OID_P256 };
                let point = point.as_deref().map(BitStringRef::from_bytes).transpose();
                let key = EcPrivateKey {
                    version: 1,
                    private_key: OctetStringRef::new(scalar).map_err(malformed)?,
                    parameters: None,
                    public_key: point.map_err(malformed)?,
                };
                (OID_EC, Some(oid.into()), Zeroizing::new(key.to_der().map_err(malformed)?))
            }
        };
        let algorithm = AlgorithmIdentifierRef { oid, parameters };
        let key = OctetStringRef::new(&key).map_err(malformed)?;
        let info = PrivateKeyInfoRef::new(algorithm, key);
        info.to_der().map(Zeroizing::new).map_err(malformed)
    }
}

impl<'a> EcPrivateKey<'a> {
    fn point(&self) -> Result<Option<&'a [u8]>, PrivateKeyError> {
        let Some(bits) = self.public_key else { return Ok(None) };
        let unused = || PrivateKeyError::Malformed("the public half has unused bits".into());
        bits.as_bytes().ok_or_else(unused).map(Some)
    }
}

fn curve_of(oid: ObjectIdentifier) -> Result<KeyType, PrivateKeyError> {
    match oid {
        OID_P256 => Ok(KeyType::P256),
        OID_P384 => Ok(KeyType::P384),
        other => Err(PrivateKeyError::Unsupported(name_of_curve(other))),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands where an error is mapped")]
fn malformed(error: impl ToString) -> PrivateKeyError {
    PrivateKeyError::Malformed(error.to_string())
}

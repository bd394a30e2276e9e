//! The algorithms of tokens (RFC 7518 section 3, RFC 8037): signatures, which are
//! verified with a public key, and HMACs, which are verified with a shared secret.
//!
//! They are two types, so that no code can take one for the other.

use std::fmt;

/// What kind of key an algorithm takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// RSA, 2048..=8192 bits.
    Rsa,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::Ed25519 => "Ed25519",
            Self::P256 => "EC P-256",
            Self::P384 => "EC P-384",
        })
    }
}

/// A JWS signature algorithm. There is no `none` and no HMAC among them: a signed
/// request is proved with a key whose private half the server does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519. Written as `EdDSA`, read also as `Ed25519` (RFC 9864).
    EdDsa,
}

impl Algorithm {
    /// Every algorithm, in the order of the enumeration.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The `alg` header value that we write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm that an `alg` header value names, compared with case.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The one type of key that this algorithm is used with.
    pub const fn key_type(self) -> KeyType {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                KeyType::Rsa
            }
            Self::Es256 => KeyType::P256,
            Self::Es384 => KeyType::P384,
            Self::EdDsa => KeyType::Ed25519,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A JWS algorithm that makes and verifies tokens with one shared secret
/// (RFC 7518 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HmacAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl HmacAlgorithm {
    /// Every algorithm, in the order of the enumeration.
    pub const ALL: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// The `alg` header value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The algorithm that an `alg` header value names, compared with case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The length of the hash, and so of the shortest secret that may be used with it
    /// (RFC 7518 section 3.2), in bytes.
    pub const fn hash_bytes(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }
}

impl fmt::Display for HmacAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An algorithm of either kind, for settings; the key decides which kind it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenAlgorithm {
    /// Verified with a public key.
    Signature(Algorithm),
    /// Verified with a shared secret.
    Hmac(HmacAlgorithm),
}

impl TokenAlgorithm {
    /// The algorithm that an `alg` header value names, compared with case.
    pub fn from_name(name: &str) -> Option<Self> {
        Algorithm::from_name(name)
            .map(Self::Signature)
            .or_else(|| HmacAlgorithm::from_name(name).map(Self::Hmac))
    }
}

impl From<Algorithm> for TokenAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        Self::Signature(algorithm)
    }
}

impl From<HmacAlgorithm> for TokenAlgorithm {
    fn from(algorithm: HmacAlgorithm) -> Self {
        Self::Hmac(algorithm)
    }
}

impl fmt::Display for TokenAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(algorithm) => algorithm.fmt(f),
            Self::Hmac(algorithm) => algorithm.fmt(f),
        }
    }
}

/// The algorithms that a token may name, as far as its verifier knows any.
pub(crate) trait JwsAlgorithm: Copy {
    /// The algorithm that an `alg` header value names.
    fn from_name(name: &str) -> Option<Self>;
}

impl JwsAlgorithm for Algorithm {
    fn from_name(name: &str) -> Option<Self> {
        Self::from_name(name)
    }
}

impl JwsAlgorithm for HmacAlgorithm {
    fn from_name(name: &str) -> Option<Self> {
        Self::from_name(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_nothing_else_is_an_algorithm() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
        for other in ["none", "HS256", "rs256", "ES256K", "ES512", "Ed448", ""] {
            assert_eq!(Algorithm::from_name(other), None, "{other}");
        }
        for algorithm in HmacAlgorithm::ALL {
            assert_eq!(HmacAlgorithm::from_name(algorithm.name()), Some(algorithm));
        }
        for other in ["none", "RS256", "hs256", "HS1", ""] {
            assert_eq!(HmacAlgorithm::from_name(other), None, "{other}");
        }
        assert_eq!(TokenAlgorithm::from_name("none"), None);
    }
}

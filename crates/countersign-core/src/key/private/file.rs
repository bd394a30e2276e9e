//! What a private key file can be, and what can be wrong with it.

use std::fmt;

use super::{PrivateKey, PrivateKeyError};
use crate::key::jwk::JwkError;
use crate::key::text;

const EXPECTED: &str = "expected one private key: PEM (PRIVATE KEY, ENCRYPTED PRIVATE KEY, \
                        RSA PRIVATE KEY, EC PRIVATE KEY or OPENSSH PRIVATE KEY) or a JWK";

/// A private key as it stood in a file.
#[derive(Clone, Debug)]
pub struct PrivateKeyFile {
    /// The key.
    pub key: PrivateKey,
    /// The comment of an OpenSSH key; the other formats have none.
    pub comment: Option<String>,
    /// What the file was.
    pub format: PrivateKeyFormat,
    /// Whether the file was encrypted.
    pub encrypted: bool,
}

/// A format of private keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrivateKeyFormat {
    /// PEM `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY` (RFC 5958).
    Pkcs8,
    /// PEM `RSA PRIVATE KEY` (RFC 8017 appendix A.1.2).
    Pkcs1,
    /// PEM `EC PRIVATE KEY` (RFC 5915).
    Sec1,
    /// PEM `OPENSSH PRIVATE KEY` (OpenSSH's PROTOCOL.key).
    OpenSsh,
    /// JSON (RFC 7517).
    Jwk,
}

impl fmt::Display for PrivateKeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs8 => "a PKCS#8 private key",
            Self::Pkcs1 => "a PEM RSA private key",
            Self::Sec1 => "a PEM EC private key",
            Self::OpenSsh => "an OpenSSH private key",
            Self::Jwk => "a private JWK",
        })
    }
}

/// Why a file was not taken as a private key: what was found, what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadPrivateKeyError {
    /// Longer than any key.
    #[error("found more than {} KiB: {EXPECTED}", text::MAX_KEY_FILE_BYTES / 1024)]
    TooLong,
    /// Nothing but blanks.
    #[error("found nothing: {EXPECTED}")]
    Empty,
    /// A public key, in whichever format.
    #[error("found a public key: give the private key that it belongs to")]
    PublicKey,
    /// Something else, or a format that is not read.
    #[error("found {0}: {EXPECTED}")]
    NotAPrivateKey(String),
    /// More than one key.
    #[error("found {0} keys: {EXPECTED}")]
    Several(usize),
    /// A format that is read, but not in good form.
    #[error("found {format} that is damaged ({detail}): {EXPECTED}")]
    Malformed {
        /// The format it seems to be of.
        format: PrivateKeyFormat,
        /// What is wrong with it.
        detail: String,
    },
    /// The file is encrypted and no passphrase was given.
    #[error("found {0} that is encrypted: its passphrase is needed")]
    PassphraseNeeded(PrivateKeyFormat),
    /// The passphrase is not the one the file was encrypted with.
    #[error("the passphrase does not fit: {0} was found that another one decrypts")]
    WrongPassphrase(PrivateKeyFormat),
    /// A passphrase was given for a file that is not encrypted.
    #[error("a passphrase was given, but {0} was found that is not encrypted: leave it out")]
    PassphraseNotNeeded(PrivateKeyFormat),
    /// The file is encrypted in a way that is not read.
    #[error(
        "found {format} that is encrypted in a way that is not supported ({detail}): \
         encrypt it anew, for instance with: openssl pkcs8 -topk8 -v2 aes-256-cbc"
    )]
    UnsupportedEncryption {
        /// The format of the file.
        format: PrivateKeyFormat,
        /// How it is encrypted.
        detail: String,
    },
    /// Deriving the key from the passphrase would take unreasonably long.
    #[error("found {0} whose key derivation asks for too much work or memory")]
    TooCostly(PrivateKeyFormat),
    /// A JWK that is not acceptable.
    #[error("found a JWK that cannot be used: {0}")]
    Jwk(JwkError),
    /// A well-formed key that is weak, inconsistent or of an unsupported kind.
    #[error("found {format} that cannot be used: {reason}")]
    Refused {
        /// The format of the file.
        format: PrivateKeyFormat,
        /// Why the key is refused.
        reason: PrivateKeyError,
    },
}

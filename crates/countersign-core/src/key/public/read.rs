//! Reading a public key from the text of a file, whatever its format.

use std::fmt;

use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

use super::PublicKey;
use crate::key::components::PublicComponents;
use crate::key::jwk::{JwkError, PublicJwk};
use crate::key::openssh;
use crate::key::text::{self, NotKeyText, NotOneBlock};
use crate::key::weak::PublicKeyError;

const EXPECTED: &str = "expected one public key: PEM (PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE), \
                        an OpenSSH line (ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256 or -nistp384) \
                        or a JWK";

/// A public key as it stood in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyFile {
    /// The key.
    pub key: PublicKey,
    /// The comment of an OpenSSH line; the other formats have none.
    pub comment: Option<String>,
    /// What the file was.
    pub format: PublicKeyFormat,
}

/// A format of public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKeyFormat {
    /// PEM `PUBLIC KEY` (RFC 7468 section 13).
    Spki,
    /// PEM `RSA PUBLIC KEY` (RFC 8017 appendix A.1.1).
    Pkcs1,
    /// One line as in `id_ed25519.pub` (RFC 4253 section 6.6).
    OpenSsh,
    /// JSON (RFC 7517).
    Jwk,
    /// PEM `CERTIFICATE` (RFC 5280), of which only the key is looked at.
    Certificate,
}

impl fmt::Display for PublicKeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spki => "a PEM public key",
            Self::Pkcs1 => "a PEM RSA public key",
            Self::OpenSsh => "an OpenSSH public key",
            Self::Jwk => "a JWK",
            Self::Certificate => "a certificate",
        })
    }
}

/// Why a file was not taken as a public key: what was found, what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadPublicKeyError {
    /// Longer than any key.
    #[error("found more than {} KiB: {EXPECTED}", text::MAX_KEY_FILE_BYTES / 1024)]
    TooLong,
    /// Nothing but blanks.
    #[error("found nothing: {EXPECTED}")]
    Empty,
    /// A private key, encrypted or not, in whichever format.
    #[error(
        "found a private key: give its public half instead; a private key stays with its owner"
    )]
    PrivateKey,
    /// Something else, or a format that is not read.
    #[error("found {0}: {EXPECTED}")]
    NotAPublicKey(String),
    /// More than one key.
    #[error("found {0} keys: {EXPECTED}")]
    Several(usize),
    /// A format that is read, but not in good form.
    #[error("found {format} that is damaged ({detail}): {EXPECTED}")]
    Malformed {
        /// The format it seems to be of.
        format: PublicKeyFormat,
        /// What is wrong with it.
        detail: String,
    },
    /// A JWK that is not acceptable.
    #[error("found a JWK that cannot be used: {0}")]
    Jwk(#[from] JwkError),
    /// A well-formed key that is weak or of an unsupported kind.
    #[error("found {format} that cannot be used: {reason}")]
    Refused {
        /// The format of the file.
        format: PublicKeyFormat,
        /// Why the key is refused.
        reason: PublicKeyError,
    },
}

impl PublicKey {
    /// Reads a public key in any of the [formats](PublicKeyFormat), which is
    /// found out from the text. Line endings, surrounding blanks and a missing
    /// final newline do not matter.
    ///
    /// ```
    /// use countersign_core::{KeyType, PublicKey, PublicKeyFormat};
    ///
    /// let file = PublicKey::read(
    ///     b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea worker 7\n",
    /// )?;
    /// assert_eq!(file.format, PublicKeyFormat::OpenSsh);
    /// assert_eq!(file.comment.as_deref(), Some("worker 7"));
    /// assert_eq!(file.key.key_type(), KeyType::Ed25519);
    /// # Ok::<(), countersign_core::ReadPublicKeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadPublicKeyError`], which says what was found and what was expected.
    pub fn read(file: &[u8]) -> Result<PublicKeyFile, ReadPublicKeyError> {
        let text = text::key_text(file).map_err(|problem| match problem {
            NotKeyText::TooLong => ReadPublicKeyError::TooLong,
            NotKeyText::Empty => ReadPublicKeyError::Empty,
            NotKeyText::Binary => not_a_public_key("binary data"),
        })?;
        if text::has_private_pem(text) || text.starts_with("PuTTY-User-Key-File") {
            return Err(ReadPublicKeyError::PrivateKey);
        }
        if text.starts_with('{') {
            return read_jwk(text);
        }
        if let Some(foreign) = text::foreign_format(text) {
            return Err(not_a_public_key(foreign));
        }
        if text::has_pem(text) {
            return read_pem(text);
        }
        read_openssh(text)
    }
}

fn read_jwk(text: &str) -> Result<PublicKeyFile, ReadPublicKeyError> {
    match PublicJwk::read(text) {
        Ok(jwk) => Ok(file(jwk.key, PublicKeyFormat::Jwk)),
        Err(JwkError::IsPrivate(_)) => Err(ReadPublicKeyError::PrivateKey),
        Err(error) => Err(error.into()),
    }
}

fn read_pem(text: &str) -> Result<PublicKeyFile, ReadPublicKeyError> {
    let block = text::one_pem_block(text).map_err(|problem| match problem {
        NotOneBlock::Several(count) => ReadPublicKeyError::Several(count),
        NotOneBlock::Malformed(detail) => not_a_public_key(format!("damaged PEM ({detail})")),
    })?;
    let (format, components) = match block.tag() {
        "PUBLIC KEY" => (PublicKeyFormat::Spki, PublicComponents::from_spki_der(block.contents())),
        "RSA PUBLIC KEY" => {
            (PublicKeyFormat::Pkcs1, PublicComponents::from_pkcs1_der(block.contents()))
        }
        "CERTIFICATE" => (PublicKeyFormat::Certificate, certified_key(block.contents())),
        other => {
            let label: String = other.chars().take(64).collect();
            return Err(not_a_public_key(format!("a PEM block {label:?}")));
        }
    };
    let key = components.and_then(PublicKey::from_components);
    key.map(|key| file(key, format)).map_err(|reason| refused(format, reason))
}

fn certified_key(der: &[u8]) -> Result<PublicComponents, PublicKeyError> {
    let spki = Certificate::from_der(der)
        .and_then(|certificate| certificate.tbs_certificate().subject_public_key_info().to_der())
        .map_err(|error| PublicKeyError::Malformed(error.to_string()))?;
    PublicComponents::from_spki_der(&spki)
}

fn read_openssh(text: &str) -> Result<PublicKeyFile, ReadPublicKeyError> {
    let format = PublicKeyFormat::OpenSsh;
    if !openssh::is_key_type(text.split_whitespace().next().unwrap_or_default()) {
        return Err(not_a_public_key("text of no known format"));
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    if lines > 1 {
        return Err(ReadPublicKeyError::Several(lines));
    }
    let (components, comment) =
        openssh::read_public_line(text).map_err(|reason| refused(format, reason))?;
    let key = PublicKey::from_components(components).map_err(|reason| refused(format, reason))?;
    Ok(PublicKeyFile { comment, ..file(key, format) })
}

fn file(key: PublicKey, format: PublicKeyFormat) -> PublicKeyFile {
    PublicKeyFile { key, comment: None, format }
}

fn not_a_public_key(found: impl Into<String>) -> ReadPublicKeyError {
    ReadPublicKeyError::NotAPublicKey(found.into())
}

fn refused(format: PublicKeyFormat, reason: PublicKeyError) -> ReadPublicKeyError {
    match reason {
        PublicKeyError::Malformed(detail) => ReadPublicKeyError::Malformed { format, detail },
        reason => ReadPublicKeyError::Refused { format, reason },
    }
}

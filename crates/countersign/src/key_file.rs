//! Key files: reading them with errors that name the file, describing keys.

use std::path::Path;

use countersign_core::{
    Passphrase, PrivateKey, PublicKey, ReadPrivateKeyError, ReadPublicKeyError,
};
use countersign_server::api::{PublicKeyFingerprints, key_type_name};
use serde::Serialize;

use crate::failure::Failure;
use crate::files;
use crate::passphrase::{self, PassphraseArgs};

/// What a key file holds.
pub(crate) enum KeyFile {
    /// A public key.
    Public { key: PublicKey, comment: String },
    /// A private key.
    Private { key: PrivateKey, comment: String },
}

/// A key in words.
#[derive(Debug, Serialize)]
pub(crate) struct Description {
    #[serde(rename = "type")]
    key_type: &'static str,
    bits: usize,
    fingerprints: PublicKeyFingerprints,
}

/// Reads a public key file.
///
/// # Errors
/// A [`Failure`] that names the file, what was found and what was expected.
pub(crate) fn read_public(path: &Path) -> Result<(PublicKey, String), Failure> {
    let file = PublicKey::read(&files::read(path)?).map_err(|error| wrong(path, error))?;
    Ok((file.key, file.comment.unwrap_or_default()))
}

/// Reads a private key file, asking at the terminal for the passphrase of an
/// encrypted one where none was given.
///
/// # Errors
/// A [`Failure`] that names the file, what was found and what was expected.
pub(crate) fn read_private(
    path: &Path,
    passphrase: &PassphraseArgs,
) -> Result<PrivateKey, Failure> {
    decode_private(path, &files::read(path)?, passphrase).map(|(key, _)| key)
}

/// Reads a key file of either kind.
///
/// # Errors
/// A [`Failure`] that names the file, what was found and what was expected.
pub(crate) fn read_any(path: &Path, passphrase: &PassphraseArgs) -> Result<KeyFile, Failure> {
    let bytes = files::read(path)?;
    match PublicKey::read(&bytes) {
        Ok(file) => {
            let comment = file.comment.unwrap_or_default();
            Ok(KeyFile::Public { key: file.key, comment })
        }
        Err(ReadPublicKeyError::PrivateKey) => {
            let (key, comment) = decode_private(path, &bytes, passphrase)?;
            Ok(KeyFile::Private { key, comment })
        }
        Err(error) => Err(wrong(path, error)),
    }
}

fn decode_private(
    path: &Path,
    bytes: &[u8],
    args: &PassphraseArgs,
) -> Result<(PrivateKey, String), Failure> {
    let given = args.given()?;
    let mut outcome = PrivateKey::read(bytes, given.as_ref());
    if let Err(ReadPrivateKeyError::PassphraseNeeded(_)) = outcome
        && let Some(answer) = passphrase::ask(path)?
    {
        outcome = PrivateKey::read(bytes, Some(&answer));
    }
    let file = outcome.map_err(|error| match error {
        ReadPrivateKeyError::PassphraseNeeded(_) => {
            wrong(path, format_args!("{error}: give it with --passphrase-file FILE"))
        }
        error => wrong(path, error),
    })?;
    Ok((file.key, file.comment.unwrap_or_default()))
}

fn wrong(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::usage(format_args!("{}: {error}", path.display()))
}

/// A private key as PKCS#8 PEM, encrypted if there is a passphrase.
pub(crate) fn private_pem(
    key: &PrivateKey,
    passphrase: Option<&Passphrase>,
) -> Result<zeroize::Zeroizing<String>, Failure> {
    key.to_pkcs8_pem(passphrase, &countersign_system::SystemRandom).map_err(Failure::usage)
}

impl Description {
    pub(crate) fn of(key: &PublicKey) -> Self {
        Self {
            key_type: key_type_name(key.key_type()),
            bits: key.bits(),
            fingerprints: key.fingerprints().into(),
        }
    }

    /// Rows of a table of properties.
    pub(crate) fn rows(&self) -> [(&'static str, String); 4] {
        [
            ("type", format!("{}, {} bits", self.key_type, self.bits)),
            ("OpenSSH", self.fingerprints.openssh.clone()),
            ("SPKI PEM (kid)", self.fingerprints.spki_pem_sha256.clone()),
            ("JWK thumbprint", self.fingerprints.jwk_thumbprint.clone()),
        ]
    }
}

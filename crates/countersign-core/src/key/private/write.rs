//! Writing a private key to the text of a file.

use pem::{EncodeConfig, LineEnding, Pem};
use zeroize::Zeroizing;

use super::PrivateKey;
use crate::key::encryption::{Passphrase, pkcs8};
use crate::key::openssh;
use crate::ports::Random;

/// Why a private key could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WritePrivateKeyError {
    /// An empty passphrase protects nothing and not every reader takes it.
    #[error("the passphrase is empty: give one, or write the key without encryption")]
    EmptyPassphrase,
    /// The encryption failed.
    #[error("the private key could not be encrypted: {0}")]
    Encryption(String),
}

impl PrivateKey {
    /// The key as PEM: `PRIVATE KEY`, or `ENCRYPTED PRIVATE KEY` with AES-256
    /// under a key from PBKDF2 (HMAC-SHA-256, 600,000 iterations).
    ///
    /// # Errors
    /// [`WritePrivateKeyError`] if the passphrase is empty or encryption fails.
    pub fn to_pkcs8_pem(
        &self,
        passphrase: Option<&Passphrase>,
        random: &dyn Random,
    ) -> Result<Zeroizing<String>, WritePrivateKeyError> {
        let Some(passphrase) = passphrase else {
            return Ok(pem_text("PRIVATE KEY", &self.to_pkcs8_der()));
        };
        if passphrase.is_empty() {
            return Err(WritePrivateKeyError::EmptyPassphrase);
        }
        pkcs8::encrypt(&self.to_pkcs8_der(), passphrase, random)
            .map(|der| pem_text("ENCRYPTED PRIVATE KEY", &der))
            .map_err(|error| WritePrivateKeyError::Encryption(error.to_string()))
    }

    /// The key as OpenSSH writes it: PEM `OPENSSH PRIVATE KEY`, if there is a
    /// passphrase with AES-256 in counter mode under a key from bcrypt-pbkdf.
    /// Line breaks in the comment become blanks.
    ///
    /// # Errors
    /// [`WritePrivateKeyError`] if the passphrase is empty or encryption fails.
    pub fn to_openssh_pem(
        &self,
        passphrase: Option<&Passphrase>,
        comment: Option<&str>,
        random: &dyn Random,
    ) -> Result<Zeroizing<String>, WritePrivateKeyError> {
        if passphrase.is_some_and(Passphrase::is_empty) {
            return Err(WritePrivateKeyError::EmptyPassphrase);
        }
        openssh::write_private(self, passphrase, comment.unwrap_or_default(), random)
            .map(|bytes| pem_text("OPENSSH PRIVATE KEY", &bytes))
            .map_err(|error| WritePrivateKeyError::Encryption(error.to_string()))
    }
}

fn pem_text(label: &str, contents: &[u8]) -> Zeroizing<String> {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    Zeroizing::new(pem::encode_config(&Pem::new(label, contents), config))
}

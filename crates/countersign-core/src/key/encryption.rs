//! Passphrases, and the ways in which key files are encrypted with them.

mod cbc;
mod passphrase;
mod pbes1;
pub(super) mod pkcs8;
pub(super) mod traditional;

pub use passphrase::Passphrase;

/// Why an encrypted key could not be decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DecryptError {
    /// The passphrase does not fit.
    WrongPassphrase,
    /// The encryption is not supported.
    Unsupported(String),
    /// The file is damaged.
    Malformed(String),
    /// Deriving the key would take more than any honest file asks for.
    TooCostly,
}

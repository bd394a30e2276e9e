//! The passphrase as a type.

use std::fmt;

use zeroize::Zeroizing;

/// What a private key file is encrypted with. Wiped when it goes out of use,
/// and never shown.
///
/// ```
/// # use countersign_core::Passphrase;
/// let passphrase = Passphrase::new("correct horse");
/// assert_eq!(format!("{passphrase:?}"), "Passphrase(..)");
/// ```
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes a passphrase exactly as it is, blanks and line breaks included.
    pub fn new(passphrase: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(passphrase.into()))
    }

    /// Whether it has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

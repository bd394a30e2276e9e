//! The one secret of an installation, and what is sealed under it: private keys
//! and the secret that hashes are keyed with.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize as _, Zeroizing};

use crate::ports::Random;

/// How long an encryption key is, in bytes.
pub const ENCRYPTION_KEY_BYTES: usize = 32;
/// How a secret is sealed: 1 is AES-256-GCM with purpose and id as associated data.
const VERSION: u8 = 1;

/// The text is no encryption key. It is not repeated here: it may be one with a
/// typing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionKeyError {
    /// Not base64 (RFC 4648 section 4).
    #[error("an encryption key is written in base64: make one with `openssl rand -base64 32`")]
    NotBase64,
    /// Another length.
    #[error(
        "an encryption key has {ENCRYPTION_KEY_BYTES} bytes, this one has {0}: make one with `openssl rand -base64 32`"
    )]
    WrongLength(usize),
}

/// What was sealed cannot be opened: another key, another name, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot decrypt with this encryption key")]
pub struct OpenError;

/// The secret that protects what a store holds.
///
/// ```
/// use countersign_core::{EncryptionKey, Sealed};
/// # struct Sevens;
/// # impl countersign_core::Random for Sevens { fn fill(&self, bytes: &mut [u8]) { bytes.fill(7) } }
/// # let random = Sevens;
///
/// let key = EncryptionKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
/// let sealed = key.seal("signing-key", "2026-spring", b"a secret", &random);
/// assert_eq!(*key.open("signing-key", "2026-spring", &sealed)?, b"a secret");
/// assert!(key.open("signing-key", "2026-autumn", &sealed).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EncryptionKey(Zeroizing<[u8; ENCRYPTION_KEY_BYTES]>);

/// A sealed secret as it is stored: a version byte, the nonce, the ciphertext,
/// the tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(Box<[u8]>);

impl EncryptionKey {
    /// A new key.
    pub fn generate(random: &dyn Random) -> Self {
        let mut key = Zeroizing::new([0; ENCRYPTION_KEY_BYTES]);
        random.fill(&mut *key);
        Self(key)
    }

    /// Reads the base64 of a key; blanks around it are ignored.
    ///
    /// # Errors
    /// [`EncryptionKeyError`] if it is anything else.
    pub fn from_base64(text: &str) -> Result<Self, EncryptionKeyError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| EncryptionKeyError::NotBase64)?;
        let bytes = Zeroizing::new(bytes);
        let key = <[u8; ENCRYPTION_KEY_BYTES]>::try_from(bytes.as_slice())
            .map_err(|_| EncryptionKeyError::WrongLength(bytes.len()))?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// The key as base64, for the file it is kept in.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// Seals a secret with AES-256-GCM (NIST SP 800-38D). It can be opened only
    /// for the same purpose under the same id, so that whoever can write the
    /// store cannot pass one secret off as another.
    ///
    /// The nonce is random. That bounds one key to 2^32 secrets (section 8.3),
    /// far more than the signing keys of any installation.
    ///
    /// # Panics
    /// If the secret has more than 2^36 bytes, which is more than fits into memory.
    pub fn seal(&self, purpose: &str, id: &str, secret: &[u8], random: &dyn Random) -> Sealed {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&nonce);
        let mut text = Zeroizing::new(secret.to_vec());
        // Unwrap safety: it fails only for secrets of more than 2^36 bytes.
        let tag = self
            .cipher()
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated_data(purpose, id)),
                &mut text,
            )
            .expect("a secret that fits into memory");
        sealed.extend_from_slice(&text);
        sealed.extend_from_slice(tag.as_ref());
        Sealed(sealed.into())
    }

    /// Opens what [`seal`](Self::seal) sealed.
    ///
    /// # Errors
    /// [`OpenError`] if it was sealed with another key, for another purpose or
    /// id, or was changed since.
    pub fn open(
        &self,
        purpose: &str,
        id: &str,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let versioned = sealed.0.strip_prefix(&[VERSION]).ok_or(OpenError)?;
        let (nonce, text) = versioned.split_first_chunk::<NONCE_LEN>().ok_or(OpenError)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self
            .cipher()
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(associated_data(purpose, id)),
                &mut text,
            )
            .map_err(|_| OpenError)?
            .len();
        text[length..].zeroize();
        text.truncate(length);
        Ok(text)
    }

    fn cipher(&self) -> LessSafeKey {
        // Unwrap safety: the key has the cipher's length by its type.
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*self.0).expect("32 bytes"))
    }
}

/// What a secret is for, and its id, so that no two pairs are alike.
fn associated_data(purpose: &str, id: &str) -> Vec<u8> {
    let mut data = (purpose.len() as u64).to_be_bytes().to_vec();
    data.extend_from_slice(purpose.as_bytes());
    data.extend_from_slice(id.as_bytes());
    data
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey(..)")
    }
}

impl Sealed {
    /// What a store gave back.
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn key(byte: u8) -> EncryptionKey {
        EncryptionKey::generate(&Fixed(byte))
    }

    #[test]
    fn a_secret_opens_only_under_its_key_purpose_and_id() {
        let sealed = key(1).seal("signing-key", "a", b"secret", &Fixed(9));
        assert_eq!(*key(1).open("signing-key", "a", &sealed).unwrap(), b"secret");
        assert_eq!(key(2).open("signing-key", "a", &sealed), Err(OpenError));
        assert_eq!(key(1).open("signing-key", "b", &sealed), Err(OpenError));
        assert_eq!(key(1).open("other", "a", &sealed), Err(OpenError));
        // Where the purpose ends is part of it.
        assert_eq!(key(1).open("signing-ke", "ya", &sealed), Err(OpenError));
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed() {
        let sealed = key(1).seal("signing-key", "a", b"secret", &Fixed(9));
        for at in 0..sealed.as_bytes().len() {
            let mut changed = sealed.as_bytes().to_vec();
            changed[at] ^= 1;
            assert!(key(1).open("signing-key", "a", &Sealed::from_bytes(changed)).is_err(), "{at}");
        }
        for length in 0..sealed.as_bytes().len() {
            let short = Sealed::from_bytes(&sealed.as_bytes()[..length]);
            assert!(key(1).open("signing-key", "a", &short).is_err(), "{length}");
        }
    }

    #[test]
    fn nonces_are_drawn_each_time() {
        let first = key(1).seal("signing-key", "a", b"secret", &Fixed(8));
        let second = key(1).seal("signing-key", "a", b"secret", &Fixed(9));
        assert_ne!(first, second);
    }

    #[test]
    fn a_key_is_32_bytes_of_base64_and_never_shown() {
        let text = key(3).to_base64();
        let again = EncryptionKey::from_base64(&format!(" {}\n", *text)).unwrap();
        assert_eq!(again.to_base64(), text);
        assert_eq!(EncryptionKey::from_base64("%").unwrap_err(), EncryptionKeyError::NotBase64);
        let error = EncryptionKey::from_base64("AAAA").unwrap_err();
        assert_eq!(error, EncryptionKeyError::WrongLength(3));
        assert!(!format!("{:?}", key(3)).contains("AwMD"));
    }
}

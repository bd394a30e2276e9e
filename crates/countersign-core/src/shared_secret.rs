//! Secrets that two parties share, with which each makes and verifies tokens.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;

use crate::algorithm::HmacAlgorithm;

/// The shortest shared secret, in bytes: the hash of HS256.
pub const MIN_SHARED_SECRET_BYTES: usize = HmacAlgorithm::Hs256.hash_bytes();
/// The longest shared secret, in bytes.
pub const MAX_SHARED_SECRET_BYTES: usize = 4096;

/// A text cannot be a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharedSecretError {
    /// So short that it can be guessed, whoever made it.
    #[error(
        "a shared secret has at least {MIN_SHARED_SECRET_BYTES} bytes, this one has {0}: make one \
         with `openssl rand -base64 48`"
    )]
    TooShort(usize),
    /// More than [`MAX_SHARED_SECRET_BYTES`].
    #[error("a shared secret has at most {MAX_SHARED_SECRET_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// A PEM or OpenSSH key: a public key that everybody knows would sign tokens.
    #[error("this is a key file, not a shared secret: give it as a public key")]
    IsAKey,
}

/// A secret that makes and verifies tokens with HS256, HS384 or HS512.
///
/// ```
/// use countersign_core::{HmacAlgorithm, SharedSecret};
///
/// let secret = SharedSecret::new(b"forty-eight bytes, or as many as the longest hash")?;
/// assert!(secret.fits(HmacAlgorithm::Hs256));
/// assert!(!secret.fits(HmacAlgorithm::Hs512), "which has 64 bytes");
/// assert_eq!(format!("{secret:?}"), "SharedSecret(..)");
/// # Ok::<(), countersign_core::SharedSecretError>(())
/// ```
///
/// Cloning is cheap: clones share what was calculated.
#[derive(Clone)]
pub struct SharedSecret(Arc<Inner>);

struct Inner {
    /// As the provider keeps it, for each algorithm, calculated ahead.
    keys: [hmac::Key; 3],
    length: usize,
    /// Whether it may be shorter than the hash.
    may_be_short: bool,
}

impl SharedSecret {
    /// A secret of at least [`MIN_SHARED_SECRET_BYTES`] bytes, used as they are.
    ///
    /// # Errors
    /// [`SharedSecretError`] if it is too short or too long, or a key file.
    pub fn new(secret: &[u8]) -> Result<Self, SharedSecretError> {
        if secret.len() < MIN_SHARED_SECRET_BYTES {
            return Err(SharedSecretError::TooShort(secret.len()));
        }
        Self::read(secret, false)
    }

    /// A secret that may be as short as one byte, for a time in which others still
    /// use it. Whoever has seen one token can guess a short secret, without asking
    /// anybody, and then make tokens of any account.
    ///
    /// # Errors
    /// [`SharedSecretError`] if it is empty or too long, or a key file.
    pub fn dangerous_short(secret: &[u8]) -> Result<Self, SharedSecretError> {
        if secret.is_empty() {
            return Err(SharedSecretError::TooShort(0));
        }
        Self::read(secret, true)
    }

    fn read(secret: &[u8], may_be_short: bool) -> Result<Self, SharedSecretError> {
        if secret.len() > MAX_SHARED_SECRET_BYTES {
            return Err(SharedSecretError::TooLong(secret.len()));
        }
        if is_a_key(secret) {
            return Err(SharedSecretError::IsAKey);
        }
        let keys = HmacAlgorithm::ALL.map(|algorithm| hmac::Key::new(hash(algorithm), secret));
        Ok(Self(Arc::new(Inner { keys, length: secret.len(), may_be_short })))
    }

    /// Whether it is as long as the algorithm wants it (RFC 7518 section 3.2), or may be
    /// shorter.
    pub fn fits(&self, algorithm: HmacAlgorithm) -> bool {
        self.0.may_be_short || self.0.length >= algorithm.hash_bytes()
    }

    /// Whether it is [allowed](Self::dangerous_short) to be short.
    pub fn may_be_short(&self) -> bool {
        self.0.may_be_short
    }

    pub(crate) fn sign(&self, algorithm: HmacAlgorithm, message: &[u8]) -> hmac::Tag {
        hmac::sign(self.key(algorithm), message)
    }

    /// Whether `tag` is the HMAC of `message`, compared in constant time.
    pub(crate) fn verify(&self, algorithm: HmacAlgorithm, message: &[u8], tag: &[u8]) -> bool {
        self.fits(algorithm) && hmac::verify(self.key(algorithm), message, tag).is_ok()
    }

    fn key(&self, algorithm: HmacAlgorithm) -> &hmac::Key {
        match algorithm {
            HmacAlgorithm::Hs256 => &self.0.keys[0],
            HmacAlgorithm::Hs384 => &self.0.keys[1],
            HmacAlgorithm::Hs512 => &self.0.keys[2],
        }
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

fn hash(algorithm: HmacAlgorithm) -> hmac::Algorithm {
    match algorithm {
        HmacAlgorithm::Hs256 => hmac::HMAC_SHA256,
        HmacAlgorithm::Hs384 => hmac::HMAC_SHA384,
        HmacAlgorithm::Hs512 => hmac::HMAC_SHA512,
    }
}

fn is_a_key(secret: &[u8]) -> bool {
    let text = secret.strip_prefix(b"\xef\xbb\xbf").unwrap_or(secret).trim_ascii_start();
    let begins = |with: &[u8]| text.starts_with(with);
    let is_jwk = begins(b"{") && memchr::memmem::find(text, b"\"kty\"").is_some();
    let openssh: [&[u8]; 4] = [b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-"];
    begins(b"-----BEGIN ") || is_jwk || openssh.into_iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyKind, PrivateKey};

    #[test]
    fn what_can_be_guessed_or_is_known_is_no_secret() {
        let read = |secret: &[u8]| SharedSecret::new(secret).map(drop);
        assert_eq!(read(&[7; 31]), Err(SharedSecretError::TooShort(31)));
        assert_eq!(read(&[7; 32]), Ok(()));
        assert_eq!(read(&[7; 4097]), Err(SharedSecretError::TooLong(4097)));
        let key = PrivateKey::generate(KeyKind::P256).unwrap().public_key().clone();
        for public in [
            key.to_spki_pem(),
            format!("\u{feff}{}", key.to_spki_pem()),
            key.to_jwk().to_string(),
            format!("\n{}", key.to_openssh(None)),
            format!("sk-{}", key.to_openssh(None)),
        ] {
            assert_eq!(read(public.as_bytes()), Err(SharedSecretError::IsAKey));
            let short = SharedSecret::dangerous_short(public.as_bytes()).map(drop);
            assert_eq!(short, Err(SharedSecretError::IsAKey));
        }
        assert!(SharedSecret::dangerous_short(b"").is_err());
    }

    #[test]
    fn a_secret_serves_the_algorithms_that_it_is_long_enough_for() {
        for (length, algorithms) in [(32, 1), (47, 1), (48, 2), (63, 2), (64, 3)] {
            let secret = SharedSecret::new(&vec![7; length]).unwrap();
            let fitting = HmacAlgorithm::ALL.into_iter().filter(|one| secret.fits(*one)).count();
            assert_eq!(fitting, algorithms, "{length} bytes");
            let tag = secret.sign(HmacAlgorithm::Hs512, b"message");
            assert_eq!(secret.verify(HmacAlgorithm::Hs512, b"message", tag.as_ref()), length == 64);
        }
        let short = SharedSecret::dangerous_short(b"private").unwrap();
        let tag = short.sign(HmacAlgorithm::Hs512, b"message");
        assert!(short.verify(HmacAlgorithm::Hs512, b"message", tag.as_ref()));
        assert!(!short.verify(HmacAlgorithm::Hs384, b"message", tag.as_ref()));
        assert!(!short.verify(HmacAlgorithm::Hs512, b"massage", tag.as_ref()));
    }
}

//! Secrets that a caller shows: API keys and refresh tokens, and the hashes that
//! are all a store ever holds of them.

use std::fmt;
use std::hash::{Hash, Hasher};

use aws_lc_rs::constant_time;
use aws_lc_rs::digest::{SHA512, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::ports::Random;

/// What API keys made by Countersign begin with, so that they are recognised
/// where they should not be: in a repository, in a log.
pub const API_KEY_PREFIX: &str = "cs_";
/// The longest API key that is read, in bytes.
pub const MAX_API_KEY_BYTES: usize = 1024;
/// Random bytes in an API key.
const API_KEY_ENTROPY: usize = 32;
/// Random bytes in a refresh token.
const REFRESH_TOKEN_ENTROPY: usize = 64;

/// The text cannot be an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// Nothing was given.
    #[error("an API key must not be empty")]
    Empty,
    /// More than [`MAX_API_KEY_BYTES`].
    #[error("an API key has at most {MAX_API_KEY_BYTES} bytes, this one has {0}")]
    TooLong(usize),
}

/// An API key in the clear: 256 random bits that Countersign drew, or whatever
/// was registered.
///
/// ```
/// use countersign_core::{ApiKey, HashingSecret, SecretHasher};
/// # struct Sevens;
/// # impl countersign_core::Random for Sevens { fn fill(&self, bytes: &mut [u8]) { bytes.fill(7) } }
/// # let random = Sevens;
///
/// let key = ApiKey::generate(&random);
/// assert!(key.reveal().starts_with("cs_"));
/// assert_eq!(format!("{key:?}"), "ApiKey(..)");
///
/// let hasher = SecretHasher::new(&HashingSecret::generate(&random));
/// assert_eq!(hasher.api_key(&key), hasher.api_key(&ApiKey::new(key.reveal())?));
/// # Ok::<(), countersign_core::ApiKeyError>(())
/// ```
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// A new key: [`API_KEY_PREFIX`] and 256 random bits in base64url.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bits = Zeroizing::new([0; API_KEY_ENTROPY]);
        random.fill(&mut *bits);
        let mut text = Zeroizing::new(API_KEY_PREFIX.to_owned());
        URL_SAFE_NO_PAD.encode_string(bits.as_slice(), &mut text);
        Self(text)
    }

    /// A key that somebody else chose.
    ///
    /// # Errors
    /// [`ApiKeyError`] if it is empty or too long.
    pub fn new(text: &str) -> Result<Self, ApiKeyError> {
        match text.len() {
            0 => Err(ApiKeyError::Empty),
            found if found > MAX_API_KEY_BYTES => Err(ApiKeyError::TooLong(found)),
            _ => Ok(Self(Zeroizing::new(text.to_owned()))),
        }
    }

    /// The key itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// A refresh token in the clear: 512 random bits in hex, as `jwthenticator`
/// writes them.
#[derive(Clone)]
pub struct RefreshToken(Zeroizing<String>);

/// The text has another form than every refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a refresh token has 128 hexadecimal digits")]
pub struct RefreshTokenError;

impl RefreshToken {
    /// A new token.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bits = Zeroizing::new([0; REFRESH_TOKEN_ENTROPY]);
        random.fill(&mut *bits);
        Self(hex(&*bits))
    }

    /// Reads a token that a caller shows. Those of `jwthenticator` are written in
    /// lower case, and no other writing is taken for the same token.
    ///
    /// # Errors
    /// [`RefreshTokenError`] if it cannot be one.
    pub fn read(text: &str) -> Result<Self, RefreshTokenError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 2 * REFRESH_TOKEN_ENTROPY && text.bytes().all(is_digit) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(RefreshTokenError)
        }
    }

    /// The token itself, for the one answer it is given out in.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

/// What a store holds of a secret. Comparing two takes the same time whatever
/// they have in common.
#[derive(Clone, Copy, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// What a store gave back.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The same in hex, for stores that take text.
    pub fn to_hex(&self) -> String {
        hex(&self.0).to_string()
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Hash for SecretHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for SecretHash {
    /// Enough to tell two rows apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretHash({}..)", *hex(&self.0[..4]))
    }
}

/// The text is not the hash that `jwthenticator` stores of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored hash has the 128 hexadecimal digits of a SHA-512")]
pub struct ImportedHashError;

/// What the hashes of an installation are keyed with: drawn once, and kept sealed
/// under the encryption key, so that this one can be replaced. No hash could be
/// made again from what a store holds.
#[derive(Clone)]
pub struct HashingSecret(Zeroizing<[u8; 32]>);

impl HashingSecret {
    /// A new secret.
    pub fn generate(random: &dyn Random) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        random.fill(&mut *secret);
        Self(secret)
    }

    /// What was unsealed; `None` if it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// The bytes to seal.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key of its own for one kind of secret (RFC 5869).
    pub(crate) fn derive(&self, purpose: &str) -> hmac::Key {
        let mut derived = Zeroizing::new([0; 32]);
        // Unwrap safety: it fails only for lengths other than the hash's own.
        Salt::new(HKDF_SHA256, b"countersign")
            .extract(&*self.0)
            .expand(&[purpose.as_bytes()], HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *derived))
            .expect("32 bytes of HKDF-SHA256");
        hmac::Key::new(hmac::HMAC_SHA256, &*derived)
    }
}

impl fmt::Debug for HashingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashingSecret(..)")
    }
}

/// Hashes secrets for storing: HMAC-SHA-256 (RFC 2104) under keys derived from
/// the [`HashingSecret`], one for each kind of secret.
///
/// Keys that people chose can be guessed by the billion from a table of plain
/// hashes. Without the encryption key there is nothing to try a guess against.
#[derive(Clone)]
pub struct SecretHasher {
    api_keys: hmac::Key,
    refresh_tokens: hmac::Key,
}

impl SecretHasher {
    /// The hasher of an installation.
    pub fn new(secret: &HashingSecret) -> Self {
        Self {
            api_keys: secret.derive("api-key hash"),
            refresh_tokens: secret.derive("refresh-token hash"),
        }
    }

    /// The hash of an API key: that of its SHA-512 in hex, which is what
    /// `jwthenticator` stores, so that keys whose hashes were imported go on
    /// working although nobody knows them.
    pub fn api_key(&self, key: &ApiKey) -> SecretHash {
        let sha512 = hex(digest(&SHA512, key.0.as_bytes()).as_ref());
        tag(&self.api_keys, &sha512)
    }

    /// The same from the hash that `jwthenticator` stores (`key_hash`).
    ///
    /// # Errors
    /// [`ImportedHashError`] if it is no SHA-512 in hex.
    pub fn imported_api_key(&self, sha512_hex: &str) -> Result<SecretHash, ImportedHashError> {
        if sha512_hex.len() != 128 || !sha512_hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ImportedHashError);
        }
        Ok(tag(&self.api_keys, &sha512_hex.to_ascii_lowercase()))
    }

    /// The hash of a refresh token.
    pub fn refresh_token(&self, token: &RefreshToken) -> SecretHash {
        tag(&self.refresh_tokens, &token.0)
    }
}

impl fmt::Debug for SecretHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHasher(..)")
    }
}

fn tag(key: &hmac::Key, text: &str) -> SecretHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(hmac::sign(key, text.as_bytes()).as_ref());
    SecretHash(hash)
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
    let mut digits = vec![0; 2 * bytes.len()];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    // Unwrap safety: digits are ASCII.
    Zeroizing::new(String::from_utf8(digits).expect("digits"))
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

    fn hasher(byte: u8) -> SecretHasher {
        SecretHasher::new(&HashingSecret::generate(&Fixed(byte)))
    }

    #[test]
    fn an_api_key_has_256_random_bits_behind_its_prefix() {
        let key = ApiKey::generate(&Fixed(0xff));
        assert_eq!(key.reveal(), format!("cs_{}8", "_".repeat(42)));
        assert_eq!(key.reveal().len(), API_KEY_PREFIX.len() + 43);
    }

    #[test]
    fn an_imported_hash_is_that_of_the_key() {
        // printf %s 'correct horse battery staple' | sha512sum
        let sha512 = "be5ef7679d88ab9a9045f6267e55f5e5784b4b8cd764b5cd855a5244f91c6269\
            53cd46c43d7668873fd6efbd3b221249315580031963472a078781fe046e62ae";
        let key = ApiKey::new("correct horse battery staple").unwrap();
        assert_eq!(hasher(1).imported_api_key(sha512), Ok(hasher(1).api_key(&key)));
        let upper = sha512.to_ascii_uppercase();
        assert_eq!(hasher(1).imported_api_key(&upper), Ok(hasher(1).api_key(&key)));
        for bad in ["", &sha512[1..], &"g".repeat(128)] {
            assert_eq!(hasher(1).imported_api_key(bad), Err(ImportedHashError), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_of_no_use_without_the_hashing_secret() {
        let key = ApiKey::new("hunter2").unwrap();
        assert_ne!(hasher(1).api_key(&key), hasher(2).api_key(&key));
    }

    #[test]
    fn the_kinds_of_secrets_have_hashes_of_their_own() {
        let token = RefreshToken::generate(&Fixed(1));
        let as_hash = hasher(1).imported_api_key(token.reveal()).unwrap();
        assert_ne!(hasher(1).refresh_token(&token), as_hash);
    }

    #[test]
    fn refresh_tokens_have_one_form() {
        let token = RefreshToken::generate(&Fixed(0xab));
        assert_eq!(token.reveal(), "ab".repeat(64));
        assert!(RefreshToken::read(token.reveal()).is_ok());
        for bad in ["", "ab", &"AB".repeat(64), &"ab".repeat(65), &"g".repeat(128)] {
            assert_eq!(RefreshToken::read(bad).unwrap_err(), RefreshTokenError, "{bad}");
        }
    }

    #[test]
    fn nothing_is_shown_by_accident() {
        let (key, token) = (ApiKey::generate(&Fixed(5)), RefreshToken::generate(&Fixed(5)));
        let shown = format!("{key:?} {token:?} {:?} {:?}", hasher(5), hasher(5).api_key(&key));
        assert!(!shown.contains(key.reveal()) && !shown.contains(token.reveal()));
        assert!(!shown.contains("0505"), "{shown}");
    }

    #[test]
    fn keys_have_a_length() {
        assert_eq!(ApiKey::new("").unwrap_err(), ApiKeyError::Empty);
        assert!(ApiKey::new(&"k".repeat(MAX_API_KEY_BYTES)).is_ok());
        let error = ApiKey::new(&"k".repeat(MAX_API_KEY_BYTES + 1)).unwrap_err();
        assert_eq!(error, ApiKeyError::TooLong(MAX_API_KEY_BYTES + 1));
    }
}

//! The encryption of PEM itself (RFC 1421 section 4.6.1.1 as OpenSSL did it):
//! `Proc-Type: 4,ENCRYPTED`, the key derived with one round of MD5.
//!
//! It is only read: it protects a weak passphrase hardly at all.

use md5::{Digest as _, Md5};
use pem::Pem;
use zeroize::Zeroizing;

use super::cbc::CbcCipher;
use super::{DecryptError, Passphrase};

pub(in crate::key) fn is_encrypted(block: &Pem) -> bool {
    block.headers().get("Proc-Type").is_some_and(|value| value.contains("ENCRYPTED"))
}

/// Decrypts the contents of a block; what comes out has only been seen to have
/// the right padding.
pub(in crate::key) fn decrypt(
    block: &Pem,
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let info = block
        .headers()
        .get("DEK-Info")
        .ok_or_else(|| DecryptError::Malformed("it has no DEK-Info".into()))?;
    let (name, iv) = info
        .split_once(',')
        .ok_or_else(|| DecryptError::Malformed("its DEK-Info has no initial vector".into()))?;
    let cipher = match name.trim().to_ascii_uppercase().as_str() {
        "AES-128-CBC" => CbcCipher::Aes128,
        "AES-192-CBC" => CbcCipher::Aes192,
        "AES-256-CBC" => CbcCipher::Aes256,
        "DES-EDE3-CBC" => CbcCipher::TripleDes,
        "DES-CBC" => CbcCipher::Des,
        other => return Err(DecryptError::Unsupported(other.chars().take(64).collect())),
    };
    let iv = decode_hex(iv.trim())
        .filter(|iv| iv.len() == cipher.block_length())
        .ok_or_else(|| DecryptError::Malformed("its DEK-Info has a wrong initial vector".into()))?;
    let key = derive_key(passphrase, &iv[..8], cipher.key_length());
    cipher.decrypt(&key, &iv, block.contents()).ok_or(DecryptError::WrongPassphrase)
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round: the salt is the beginning
/// of the initial vector.
fn derive_key(passphrase: &Passphrase, salt: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
    let mut digest = Zeroizing::new([0_u8; 16]);
    while key.len() < length {
        let mut md5 = Md5::new();
        if !key.is_empty() {
            md5.update(digest.as_slice());
        }
        md5.update(passphrase.as_bytes());
        md5.update(salt);
        digest.copy_from_slice(&md5.finalize());
        key.extend_from_slice(digest.as_slice());
    }
    key.truncate(length);
    key
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

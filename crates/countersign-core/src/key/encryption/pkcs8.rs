//! PKCS#8 `EncryptedPrivateKeyInfo` (RFC 5958 section 3).

use der::asn1::OctetStringRef;
use der::{Decode, Encode};
use pkcs8::pkcs5::pbes2::{Kdf, PBES2_OID, Parameters};
use pkcs8::spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::{DecryptError, Passphrase, pbes1};
use crate::ports::Random;

/// The most iterations of a key derivation that a file may ask for: some
/// seconds of work. OpenSSL writes 2,048; current advice is 600,000.
/// Fuzzers, which ask for it all the time, get less.
pub(super) const MAX_ITERATIONS: u32 = if cfg!(fuzzing) { 10_000 } else { 10_000_000 };
/// The most memory that a file's scrypt parameters may ask for, in bytes.
const MAX_SCRYPT_BYTES: u64 = if cfg!(fuzzing) { 1 } else { 256 } * 1024 * 1024;
/// The most passes over that memory.
const MAX_SCRYPT_PARALLELISM: u16 = 16;

/// The iterations that we write, for PBKDF2 with HMAC-SHA-256.
const ITERATIONS: u32 = 600_000;

#[derive(der::Sequence)]
struct EncryptedPrivateKeyInfo<'a> {
    algorithm: AlgorithmIdentifierRef<'a>,
    ciphertext: &'a OctetStringRef,
}

/// Decrypts to a DER document, of which only the padding has been checked.
pub(in crate::key) fn decrypt(
    der: &[u8],
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let malformed = |error: der::Error| DecryptError::Malformed(error.to_string());
    let info = EncryptedPrivateKeyInfo::from_der(der).map_err(malformed)?;
    let ciphertext = info.ciphertext.as_bytes();
    if info.algorithm.oid != PBES2_OID {
        return pbes1::decrypt(&info.algorithm, ciphertext, passphrase);
    }
    let parameters = info
        .algorithm
        .parameters
        .ok_or_else(|| DecryptError::Malformed("it does not say how it is encrypted".into()))?;
    let parameters = Parameters::try_from(parameters)
        .map_err(|error| DecryptError::Unsupported(format!("PBES2 parameters ({error})")))?;
    check_cost(&parameters.kdf)?;
    match parameters.decrypt(passphrase.as_bytes(), ciphertext) {
        Ok(document) => Ok(Zeroizing::new(document)),
        Err(pkcs8::pkcs5::Error::DecryptFailed) => Err(DecryptError::WrongPassphrase),
        Err(error) => Err(DecryptError::Unsupported(error.to_string())),
    }
}

fn check_cost(kdf: &Kdf) -> Result<(), DecryptError> {
    let honest = match kdf {
        Kdf::Pbkdf2(parameters) => (1..=MAX_ITERATIONS).contains(&parameters.iteration_count),
        Kdf::Scrypt(parameters) => {
            let memory = parameters
                .cost_parameter
                .checked_mul(u64::from(parameters.block_size))
                .and_then(|blocks| blocks.checked_mul(128));
            memory.is_some_and(|bytes| bytes <= MAX_SCRYPT_BYTES)
                && parameters.parallelization <= MAX_SCRYPT_PARALLELISM
        }
        _ => return Err(DecryptError::Unsupported("key derivation".into())),
    };
    if honest { Ok(()) } else { Err(DecryptError::TooCostly) }
}

/// Encryption failed, which no key and no passphrase causes.
#[derive(Debug, thiserror::Error)]
pub(in crate::key) enum EncryptError {
    #[error(transparent)]
    Cipher(#[from] pkcs8::pkcs5::Error),
    #[error(transparent)]
    Encoding(#[from] der::Error),
}

/// Encrypts a DER document with AES-256 under a key from PBKDF2 with
/// HMAC-SHA-256, which everything that reads PKCS#8 can read.
pub(in crate::key) fn encrypt(
    document: &[u8],
    passphrase: &Passphrase,
    random: &dyn Random,
) -> Result<Vec<u8>, EncryptError> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    random.fill(&mut salt);
    random.fill(&mut iv);
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, iv)?;
    let ciphertext = parameters.encrypt(passphrase.as_bytes(), document)?;
    let encoded = parameters.to_der()?;
    let info = EncryptedPrivateKeyInfo {
        algorithm: AlgorithmIdentifierRef {
            oid: PBES2_OID,
            parameters: Some(der::AnyRef::from_der(&encoded)?),
        },
        ciphertext: OctetStringRef::new(&ciphertext)?,
    };
    Ok(info.to_der()?)
}

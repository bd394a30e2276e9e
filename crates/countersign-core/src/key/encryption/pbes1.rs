//! The old ways to derive a key for PKCS#8: PBKDF1 (RFC 8018 section 6.1) and
//! the one of PKCS#12 (RFC 7292 appendix B.2). They are only read.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use der::asn1::{ObjectIdentifier, OctetStringRef};
use md5::{Digest as _, Md5};
use pkcs8::spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::cbc::CbcCipher;
use super::pkcs8::MAX_ITERATIONS;
use super::{DecryptError, Passphrase};

const MD5_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.3");
const SHA1_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.10");
const SHA1_3DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const SHA1_2KEY_3DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.4");

/// `PBEParameter` and `pkcs-12PbeParams`, which are the same.
#[derive(der::Sequence)]
struct Parameters<'a> {
    salt: &'a OctetStringRef,
    iterations: u32,
}

pub(super) fn decrypt(
    algorithm: &AlgorithmIdentifierRef<'_>,
    ciphertext: &[u8],
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let (cipher, derive): (_, fn(&Derivation<'_>) -> Derived) = match algorithm.oid {
        MD5_DES => (CbcCipher::Des, |with| pbkdf1(with, |data| Md5::digest(data).to_vec())),
        SHA1_DES => (CbcCipher::Des, |with| pbkdf1(with, sha1)),
        SHA1_3DES => (CbcCipher::TripleDes, pkcs12),
        SHA1_2KEY_3DES => (CbcCipher::TwoKeyTripleDes, pkcs12),
        other => return Err(DecryptError::Unsupported(format!("encryption {other}"))),
    };
    let parameters = algorithm
        .parameters
        .ok_or_else(|| DecryptError::Malformed("it does not say how it is encrypted".into()))?
        .decode_as::<Parameters<'_>>()
        .map_err(|error| DecryptError::Malformed(error.to_string()))?;
    if parameters.iterations == 0 || parameters.iterations > MAX_ITERATIONS {
        return Err(DecryptError::TooCostly);
    }
    let derived = derive(&Derivation {
        passphrase: passphrase.as_bytes(),
        salt: parameters.salt.as_bytes(),
        iterations: parameters.iterations,
        cipher,
    });
    cipher.decrypt(&derived.key, &derived.iv, ciphertext).ok_or(DecryptError::WrongPassphrase)
}

/// What a key is derived from, and for which cipher.
struct Derivation<'a> {
    passphrase: &'a [u8],
    salt: &'a [u8],
    iterations: u32,
    cipher: CbcCipher,
}

struct Derived {
    key: Zeroizing<Vec<u8>>,
    iv: Zeroizing<Vec<u8>>,
}

fn pbkdf1(with: &Derivation<'_>, hash: impl Fn(&[u8]) -> Vec<u8>) -> Derived {
    let mut block = Zeroizing::new([with.passphrase, with.salt].concat());
    for _ in 0..with.iterations {
        block = Zeroizing::new(hash(&block));
    }
    let iv = Zeroizing::new(block[8..16].to_vec());
    block.truncate(8);
    Derived { key: block, iv }
}

fn pkcs12(with: &Derivation<'_>) -> Derived {
    const KEY: u8 = 1;
    const IV: u8 = 2;
    let password = bmp_string(with.passphrase);
    Derived {
        key: pkcs12_material(with, &password, KEY, with.cipher.key_length()),
        iv: pkcs12_material(with, &password, IV, with.cipher.block_length()),
    }
}

/// RFC 7292 appendix B.2 with SHA-1: `u` = 20, `v` = 64.
fn pkcs12_material(
    with: &Derivation<'_>,
    password: &[u8],
    purpose: u8,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    const V: usize = 64;
    let repeated = |bytes: &[u8]| -> Vec<u8> {
        bytes.iter().copied().cycle().take(bytes.len().div_ceil(V) * V).collect()
    };
    let mut input = Zeroizing::new([repeated(with.salt), repeated(password)].concat());
    let mut material = Zeroizing::new(Vec::with_capacity(length + 20));
    loop {
        let mut block = Zeroizing::new([&[purpose; V][..], &input].concat());
        for _ in 0..with.iterations {
            block = Zeroizing::new(sha1(&block));
        }
        material.extend_from_slice(&block);
        if material.len() >= length {
            material.truncate(length);
            return material;
        }
        let addend: Zeroizing<Vec<u8>> =
            Zeroizing::new(block.iter().copied().cycle().take(V).collect());
        for chunk in input.chunks_exact_mut(V) {
            add_one_more(chunk, &addend);
        }
    }
}

/// `number = number + addend + 1`, big-endian, without the carry.
fn add_one_more(number: &mut [u8], addend: &[u8]) {
    let mut carry = true;
    for (digit, addend) in number.iter_mut().zip(addend).rev() {
        (*digit, carry) = digit.carrying_add(*addend, carry);
    }
}

/// UTF-16, big-endian, with a final zero. A passphrase that is no UTF-8 is taken
/// byte by byte, as OpenSSL does it.
fn bmp_string(passphrase: &[u8]) -> Zeroizing<Vec<u8>> {
    let units: Vec<u16> = match std::str::from_utf8(passphrase) {
        Ok(text) => text.encode_utf16().collect(),
        Err(_) => passphrase.iter().copied().map(u16::from).collect(),
    };
    let units = Zeroizing::new(units);
    Zeroizing::new(units.iter().chain([&0]).flat_map(|unit| unit.to_be_bytes()).collect())
}

fn sha1(data: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, data).as_ref().to_vec()
}

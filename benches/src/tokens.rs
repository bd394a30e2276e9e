//! Accounts, keys and tokens, derived from numbers so that the load and the
//! measured server agree on them without talking.

use aws_lc_rs::digest::{SHA256, digest};
use countersign_core::{AccountName, KeyKind, PrivateKey, Random, RequestSigner, RsaBits};

use crate::clock::Stopped;

/// A key pair's kind in a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Ed25519 keys, one an account.
    EdDsa,
    /// One RSA key of 2048 bits for all accounts: making a million would take days.
    Rs512,
}

/// The name of account number `index`.
///
/// # Panics
/// Never: the name is printable.
pub fn account(index: usize) -> AccountName {
    AccountName::new(&format!("device-{index:07}")).expect("printable")
}

/// The Ed25519 key of account number `index`: its seed is a hash of the number.
///
/// # Panics
/// Never: every seed makes a key.
pub fn ed25519(index: usize) -> PrivateKey {
    // RFC 8410 section 7: the fixed head of a PKCS#8 Ed25519 key before its seed.
    let mut pkcs8 = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    pkcs8.extend_from_slice(digest(&SHA256, &index.to_be_bytes()).as_ref());
    PrivateKey::from_pkcs8_der(&pkcs8).expect("a seed is a key")
}

/// Makes the RSA key of a run.
///
/// # Panics
/// If the provider cannot make keys.
pub fn rsa() -> PrivateKey {
    PrivateKey::generate(KeyKind::Rsa(RsaBits::B2048)).expect("the provider makes keys")
}

/// Bytes that are all different, where nobody attacks.
pub struct Counter(pub std::sync::atomic::AtomicU64);

impl Random for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let hash = digest(&SHA256, &count.to_be_bytes());
        for (byte, random) in bytes.iter_mut().zip(hash.as_ref().iter().cycle()) {
            *byte = *random;
        }
    }
}

/// An `Authorization` value for account number `index`.
///
/// # Panics
/// Never: the key's own algorithm is used.
pub fn authorization(index: usize, key: &PrivateKey, random: &Counter) -> String {
    RequestSigner::new(account(index), key.clone())
        .authorization(&Stopped, random)
        .expect("the key's own algorithm")
}

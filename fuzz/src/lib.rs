//! What the fuzz targets share: inputs to begin with, made by functions, and
//! the rules that every public key must keep.

pub mod seeds;

use countersign_core::{Clock, PrivateKey, PublicJwk, PublicKey, Random, UnixTime};

/// The same bytes every time, so that a found input fails again.
pub struct Fixed;

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// Always the instant at which the seeds' tokens were made.
pub struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        seeds::NOW
    }
}

/// What is read must be the same after it was written and read again, in every
/// format.
pub fn check_public_key(key: &PublicKey) {
    assert_eq!(&PublicKey::from_spki_der(&key.to_spki_der()).expect("SPKI"), key);
    for text in [key.to_spki_pem(), key.to_openssh(Some("comment")), key.to_jwk().to_string()] {
        let again = PublicKey::read(text.as_bytes()).expect("our own text").key;
        assert_eq!(&again, key);
        assert_eq!(again.fingerprints(), key.fingerprints());
        assert!(PrivateKey::read(text.as_bytes(), None).is_err());
    }
    let jwk = PublicJwk::read(&key.to_jwk().to_string()).expect("our own JWK");
    assert_eq!(jwk.algorithm, Some(key.default_algorithm()));
    let fingerprints = key.fingerprints();
    assert!(fingerprints.matches(&fingerprints.jwk_thumbprint()));
    assert!(fingerprints.matches(&fingerprints.openssh()));
    assert!(fingerprints.matches(&fingerprints.spki_pem_sha256()));
}

/// Lets a fuzzer begin with seeds from a function instead of committed files:
/// an empty input, and now and then another one, is replaced by a seed.
#[macro_export]
macro_rules! fuzz_with_seeds {
    ($seeds:expr) => {
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            static SEEDS: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| $seeds);
            if size <= 1 || seed % 32 == 0 {
                let chosen = &SEEDS[usize::try_from(seed / 32).unwrap_or(0) % SEEDS.len()];
                if chosen.len() <= max_size {
                    data[..chosen.len()].copy_from_slice(chosen);
                    return chosen.len();
                }
            }
            libfuzzer_sys::fuzzer_mutate(data, size, max_size)
        });
    };
}

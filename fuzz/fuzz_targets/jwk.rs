//! Public JWKs: what is read survives being written.

#![no_main]

use countersign_core::{PublicJwk, PublicKey};
use countersign_fuzz::{check_public_key, fuzz_with_seeds, seeds};
use libfuzzer_sys::fuzz_target;

fuzz_with_seeds!(seeds::public_jwks());

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(jwk) = PublicJwk::read(text) {
        check_public_key(&jwk.key);
        if let Some(algorithm) = jwk.algorithm {
            assert_eq!(algorithm.key_type(), jwk.key.key_type());
        }
        let file = PublicKey::read(data).expect("a JWK is a public key file");
        assert_eq!(file.key, jwk.key);
    }
});

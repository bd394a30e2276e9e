//! Private key files: what is read survives being written, and is never taken
//! for a public key.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::{Passphrase, PrivateKey, PublicKey, ReadPublicKeyError};
use countersign_fuzz::{Fixed, fuzz_with_seeds, seeds};
use libfuzzer_sys::fuzz_target;

/// The label that the first byte of an input chooses for the rest; a zero byte
/// means that the rest is the text.
const LABELS: [&str; 5] = [
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
];

fuzz_with_seeds!(seeds::private_files());

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    let text = match usize::from(*choice).checked_sub(1).and_then(|at| LABELS.get(at)) {
        None => rest.to_vec(),
        Some(label) => {
            let encoded = STANDARD.encode(rest);
            format!("-----BEGIN {label}-----\n{encoded}\n-----END {label}-----\n").into_bytes()
        }
    };
    let passphrase = Passphrase::new(seeds::PASSPHRASE);
    let plain = PrivateKey::read(&text, None);
    let locked = PrivateKey::read(&text, Some(&passphrase));
    assert!(plain.is_err() || locked.is_err(), "a file is encrypted or it is not");
    if let Ok(file) = plain.or(locked) {
        assert_eq!(PublicKey::read(&text), Err(ReadPublicKeyError::PrivateKey));
        check_private_key(&file.key);
    }
});

fn check_private_key(key: &PrivateKey) {
    for text in [
        key.to_pkcs8_pem(None, &Fixed).expect("PKCS#8"),
        key.to_openssh_pem(None, None, &Fixed).expect("OpenSSH"),
        key.to_jwk(),
    ] {
        let again = PrivateKey::read(text.as_bytes(), None).expect("our own text").key;
        assert_eq!(again.public_key(), key.public_key());
    }
    assert!(!format!("{key:?}").contains("PRIVATE"));
}

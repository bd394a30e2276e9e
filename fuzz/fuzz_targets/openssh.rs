//! OpenSSH public keys: a key has one blob and a blob is one key of one type.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::PublicKey;
use countersign_fuzz::{check_public_key, fuzz_with_seeds, seeds};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"];

fuzz_with_seeds!(seeds::openssh_blobs());

fuzz_target!(|data: &[u8]| {
    let mut read = 0;
    for name in NAMES {
        let line = format!("{name} {}", STANDARD.encode(data));
        if let Ok(file) = PublicKey::read(line.as_bytes()) {
            read += 1;
            // The encoding is canonical: two lines are never one key.
            assert_eq!(file.key.to_openssh(None), line);
            check_public_key(&file.key);
        }
    }
    assert!(read <= 1);
});

//! Public key files of all formats: what is read survives being written, and
//! nothing is both a public and a private key.

#![no_main]

use countersign_core::{PrivateKey, PublicKey, ReadPublicKeyError};
use countersign_fuzz::{check_public_key, fuzz_with_seeds, seeds};
use libfuzzer_sys::fuzz_target;

fuzz_with_seeds!(seeds::public_files());

fuzz_target!(|data: &[u8]| match PublicKey::read(data) {
    Ok(file) => {
        check_public_key(&file.key);
        assert!(PrivateKey::read(data, None).is_err());
        let line = file.key.to_openssh(file.comment.as_deref());
        assert_eq!(PublicKey::read(line.as_bytes()).expect("our own line").key, file.key);
    }
    Err(ReadPublicKeyError::Empty) => assert!(data.len() < 64 * 1024),
    Err(error) => assert!(error.to_string().len() < 1024),
});

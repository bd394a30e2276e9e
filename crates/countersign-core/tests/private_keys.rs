//! Private key files: what is read, what is refused and why.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU8, Ordering};

use countersign_core::{
    AwsLc, KeyKind, Passphrase, PrivateKey, PrivateKeyError, PrivateKeyFormat, PublicKeyError,
    Random, ReadPrivateKeyError, RsaBits, SignatureVerifier, WritePrivateKeyError,
};
use serde_json::{Value, json};

const KINDS: [KeyKind; 4] =
    [KeyKind::Ed25519, KeyKind::P256, KeyKind::P384, KeyKind::Rsa(RsaBits::B2048)];

/// Gives other bytes at each call.
struct Counter(AtomicU8);

impl Random for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

fn random() -> Counter {
    Counter(AtomicU8::new(1))
}

fn signs_for(signer: &PrivateKey, owner: &PrivateKey) -> bool {
    let algorithm = signer.default_algorithm();
    let signature = signer.sign(algorithm, b"message").unwrap();
    AwsLc.verify(owner.public_key(), algorithm, b"message", &signature)
}

fn error(text: impl AsRef<[u8]>, passphrase: Option<&Passphrase>) -> ReadPrivateKeyError {
    PrivateKey::read(text.as_ref(), passphrase).unwrap_err()
}

#[test]
fn every_format_that_is_written_is_read_back() {
    for kind in KINDS {
        let key = PrivateKey::generate(kind).unwrap();
        for (text, format, comment) in [
            (key.to_pkcs8_pem(None, &random()).unwrap(), PrivateKeyFormat::Pkcs8, None),
            (
                key.to_openssh_pem(None, Some("worker 7"), &random()).unwrap(),
                PrivateKeyFormat::OpenSsh,
                Some("worker 7"),
            ),
            (key.to_jwk(), PrivateKeyFormat::Jwk, None),
        ] {
            for text in [text.to_string(), text.replace('\n', "\r\n"), format!("\n{}", text.trim())]
            {
                let file = PrivateKey::read(text.as_bytes(), None).unwrap();
                assert_eq!((file.format, file.comment.as_deref()), (format, comment));
                assert!(!file.encrypted);
                assert_eq!(file.key.public_key(), key.public_key());
                assert_eq!(file.key.to_pkcs8_der(), key.to_pkcs8_der());
                assert!(signs_for(&file.key, &key));
            }
        }
    }
}

#[test]
fn encrypted_files_are_read_with_their_passphrase_only() {
    let (right, wrong) = (Passphrase::new("right horse"), Passphrase::new("wrong horse"));
    for kind in [KeyKind::Ed25519, KeyKind::P384] {
        let key = PrivateKey::generate(kind).unwrap();
        for (text, format) in [
            (key.to_pkcs8_pem(Some(&right), &random()).unwrap(), PrivateKeyFormat::Pkcs8),
            (
                key.to_openssh_pem(Some(&right), Some("c"), &random()).unwrap(),
                PrivateKeyFormat::OpenSsh,
            ),
        ] {
            let file = PrivateKey::read(text.as_bytes(), Some(&right)).unwrap();
            assert!(file.encrypted);
            assert_eq!(file.key.to_pkcs8_der(), key.to_pkcs8_der());
            assert_eq!(error(text.as_bytes(), None), ReadPrivateKeyError::PassphraseNeeded(format));
            assert_eq!(
                error(text.as_bytes(), Some(&wrong)),
                ReadPrivateKeyError::WrongPassphrase(format)
            );
        }
        for (text, format) in [
            (key.to_pkcs8_pem(None, &random()).unwrap(), PrivateKeyFormat::Pkcs8),
            (key.to_openssh_pem(None, None, &random()).unwrap(), PrivateKeyFormat::OpenSsh),
            (key.to_jwk(), PrivateKeyFormat::Jwk),
        ] {
            assert_eq!(
                error(text.as_bytes(), Some(&right)),
                ReadPrivateKeyError::PassphraseNotNeeded(format)
            );
        }
    }
}

#[test]
fn an_empty_passphrase_is_not_written_with() {
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let empty = Passphrase::new("");
    assert_eq!(
        key.to_pkcs8_pem(Some(&empty), &random()),
        Err(WritePrivateKeyError::EmptyPassphrase)
    );
    assert_eq!(
        key.to_openssh_pem(Some(&empty), None, &random()),
        Err(WritePrivateKeyError::EmptyPassphrase)
    );
}

#[test]
fn public_keys_are_refused_as_such_in_every_format() {
    for kind in KINDS {
        let key = PrivateKey::generate(kind).unwrap();
        let public = key.public_key();
        for text in
            [public.to_spki_pem(), public.to_openssh(Some("c")), public.to_jwk().to_string()]
        {
            assert_eq!(error(text, None), ReadPrivateKeyError::PublicKey);
        }
    }
}

#[test]
fn errors_say_what_was_found() {
    let found = |text: &str| match error(text, None) {
        ReadPrivateKeyError::NotAPrivateKey(found) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(error("", None), ReadPrivateKeyError::Empty);
    assert_eq!(error(vec![b'a'; 64 * 1024 + 1], None), ReadPrivateKeyError::TooLong);
    assert_eq!(found("hello"), "text of no known format");
    assert!(found("PuTTY-User-Key-File-3: ssh-ed25519").contains("puttygen"));
    assert_eq!(
        found("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----"),
        "a PEM block \"DSA PRIVATE KEY\""
    );
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let pem = key.to_pkcs8_pem(None, &random()).unwrap();
    assert_eq!(error(format!("{0}{0}", *pem), None), ReadPrivateKeyError::Several(2));
    for (label, format) in [
        ("PRIVATE KEY", PrivateKeyFormat::Pkcs8),
        ("RSA PRIVATE KEY", PrivateKeyFormat::Pkcs1),
        ("EC PRIVATE KEY", PrivateKeyFormat::Sec1),
        ("OPENSSH PRIVATE KEY", PrivateKeyFormat::OpenSsh),
    ] {
        let text = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        match error(text, None) {
            ReadPrivateKeyError::Malformed { format: found, .. } => assert_eq!(found, format),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn halves_that_do_not_belong_together_are_refused() {
    for kind in KINDS {
        let read = |key: &PrivateKey| serde_json::from_str::<Value>(&key.to_jwk()).unwrap();
        let mut mixed = read(&PrivateKey::generate(kind).unwrap());
        let other = read(&PrivateKey::generate(kind).unwrap());
        for member in ["x", "y", "n"] {
            if !other[member].is_null() {
                mixed[member] = other[member].clone();
            }
        }
        let refused = error(mixed.to_string(), None);
        assert!(
            matches!(
                refused,
                ReadPrivateKeyError::Malformed { .. }
                    | ReadPrivateKeyError::Refused { reason: PrivateKeyError::HalvesDiffer, .. }
            ),
            "{kind:?}: {refused:?}"
        );
    }
}

#[test]
fn a_weak_public_half_is_refused_for_its_weakness() {
    let weakened = |changes: Value| {
        let key = PrivateKey::generate(KeyKind::Rsa(RsaBits::B2048)).unwrap();
        let mut jwk: Value = serde_json::from_str(&key.to_jwk()).unwrap();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        match error(jwk.to_string(), None) {
            ReadPrivateKeyError::Refused { reason: PrivateKeyError::Weak(reason), .. } => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(weakened(json!({"e": "AQ"})), PublicKeyError::RsaTinyExponent(1));
    assert_eq!(weakened(json!({"e": "AQAC"})), PublicKeyError::RsaEvenExponent);
    assert_eq!(weakened(json!({"e": "BAAAAAE"})), PublicKeyError::RsaHugeExponent);
    assert_eq!(weakened(json!({"n": "AQAB"})), PublicKeyError::RsaTooShort(17));
}

#[test]
fn no_secret_is_shown_by_debug() {
    for kind in KINDS {
        let key = PrivateKey::generate(kind).unwrap();
        let file = PrivateKey::read(key.to_jwk().as_bytes(), None).unwrap();
        let jwk: Value = serde_json::from_str(&key.to_jwk()).unwrap();
        let shown = format!("{file:?} {:?}", Passphrase::new("a passphrase"));
        assert!(!shown.contains(jwk["d"].as_str().unwrap()));
        assert!(!shown.contains("a passphrase"));
        assert!(shown.contains("SHA256:"));
    }
}

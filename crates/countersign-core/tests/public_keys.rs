//! Public key files: what is read, what is refused and why.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use countersign_core::{
    JwkError, KeyKind, Passphrase, PrivateKey, PublicKey, PublicKeyError, PublicKeyFormat, Random,
    ReadPublicKeyError, RsaBits,
};

use proptest::prelude::*;

const KINDS: [KeyKind; 4] =
    [KeyKind::Ed25519, KeyKind::P256, KeyKind::P384, KeyKind::Rsa(RsaBits::B2048)];

struct Fixed;

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn ed25519() -> PublicKey {
    PrivateKey::generate(KeyKind::Ed25519).unwrap().public_key().clone()
}

fn error(text: impl AsRef<[u8]>) -> ReadPublicKeyError {
    PublicKey::read(text.as_ref()).unwrap_err()
}

#[test]
fn every_format_that_is_written_is_read_back() {
    for kind in KINDS {
        let key = PrivateKey::generate(kind).unwrap().public_key().clone();
        for (text, format) in [
            (key.to_spki_pem(), PublicKeyFormat::Spki),
            (key.to_openssh(None), PublicKeyFormat::OpenSsh),
            (key.to_jwk().to_string(), PublicKeyFormat::Jwk),
        ] {
            let file = PublicKey::read(text.as_bytes()).unwrap();
            assert_eq!((&file.key, file.format, file.comment), (&key, format, None));
            assert_eq!(file.key.fingerprints(), key.fingerprints());
        }
    }
}

#[test]
fn line_endings_blanks_and_text_around_a_key_do_not_matter() {
    let key = ed25519();
    for text in [key.to_spki_pem(), key.to_openssh(Some("worker 7"))] {
        for variant in [
            text.trim_end().to_owned(),
            text.replace('\n', "\r\n"),
            format!("\n \t{text}\r\n\n"),
            format!("\u{feff}{text}"),
        ] {
            assert_eq!(PublicKey::read(variant.as_bytes()).unwrap().key, key, "{variant:?}");
        }
    }
    let with_text = format!("Public-Key: (256 bit)\n{}", key.to_spki_pem());
    assert_eq!(PublicKey::read(with_text.as_bytes()).unwrap().key, key);
}

#[test]
fn the_comment_of_an_openssh_line_is_kept() {
    let key = ed25519();
    for (written, read) in [
        (Some("worker 7"), Some("worker 7")),
        (Some("  spaces  "), Some("spaces")),
        (Some("two\nlines"), Some("two lines")),
        (Some(" \n"), None),
        (None, None),
    ] {
        let line = key.to_openssh(written);
        assert_eq!(line.lines().count(), 1);
        assert_eq!(PublicKey::read(line.as_bytes()).unwrap().comment.as_deref(), read);
    }
}

#[test]
fn private_keys_are_refused_as_such_in_every_format() {
    let passphrase = Passphrase::new("secret");
    for kind in KINDS {
        let key = PrivateKey::generate(kind).unwrap();
        let plain_openssh = key.to_openssh_pem(None, None, &Fixed).unwrap();
        for text in [
            key.to_pkcs8_pem(None, &Fixed).unwrap(),
            plain_openssh.clone(),
            key.to_jwk(),
            // Damaged, without line breaks, or beside its public half.
            plain_openssh[..60].to_owned().into(),
            plain_openssh.replace('\n', "").into(),
            format!("{}{}", key.public_key().to_spki_pem(), *plain_openssh).into(),
        ] {
            assert_eq!(error(text.as_bytes()), ReadPublicKeyError::PrivateKey);
        }
    }
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    for text in [
        key.to_pkcs8_pem(Some(&passphrase), &Fixed).unwrap().as_str(),
        key.to_openssh_pem(Some(&passphrase), None, &Fixed).unwrap().as_str(),
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
        "PuTTY-User-Key-File-3: ssh-ed25519\n",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    ] {
        assert_eq!(error(text), ReadPublicKeyError::PrivateKey);
    }
}

#[test]
fn errors_say_what_was_found() {
    let spki = ed25519().to_spki_pem();
    let found = |text: &str| match error(text) {
        ReadPublicKeyError::NotAPublicKey(found) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(error(""), ReadPublicKeyError::Empty);
    assert_eq!(error(" \r\n"), ReadPublicKeyError::Empty);
    assert_eq!(error(vec![b'a'; 64 * 1024 + 1]), ReadPublicKeyError::TooLong);
    assert_eq!(error([0x30, 0x2a, 0xff]), ReadPublicKeyError::NotAPublicKey("binary data".into()));
    assert_eq!(found("hello"), "text of no known format");
    assert_eq!(
        found("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"),
        "a PEM block \"CERTIFICATE REQUEST\""
    );
    assert!(found("---- BEGIN SSH2 PUBLIC KEY ----\n").contains("ssh-keygen -i"));
    assert!(found(&spki.replace("-----END", "")).contains("damaged PEM"));
    assert_eq!(error(format!("{spki}{spki}")), ReadPublicKeyError::Several(2));
    let line = ed25519().to_openssh(None);
    assert_eq!(error(format!("{line}\n{line}\n")), ReadPublicKeyError::Several(2));
    assert_eq!(error(r#"{"keys":[]}"#), ReadPublicKeyError::Jwk(JwkError::IsASet));
    assert!(error("hello").to_string().contains("expected one public key: PEM"));
}

#[test]
fn what_a_file_holds_is_not_repeated_in_an_error() {
    for text in [
        "cs_secretapikey",
        "-----BEGIN X-----\nsecretapikey",
        "-----BEGIN X-----\nAAAA\n-----END secretapikey-----",
        "-----BEGIN X-----\nsecretapikey: \n\nAAAA\n-----END X-----",
        "ssh-secretapikey AAAA",
    ] {
        assert!(!error(text).to_string().contains("secretapikey"), "{}", error(text));
    }
}

#[test]
fn damaged_openssh_lines_are_refused() {
    let line = ed25519().to_openssh(None);
    let blob = line.split(' ').nth(1).unwrap();
    let longer = format!("{blob}AAAA");
    for damaged in [
        "ssh-ed25519".to_owned(),
        "ssh-ed25519 ****".to_owned(),
        format!("ssh-ed25519 {}", &blob[..40]),
        format!("ssh-ed25519 {longer}"),
        format!("ssh-rsa {blob}"),
        format!("ssh-ed25519-cert-v01@openssh.com {blob}"),
    ] {
        assert!(
            matches!(
                error(&damaged),
                ReadPublicKeyError::Malformed { format: PublicKeyFormat::OpenSsh, .. }
            ),
            "{damaged}: {:?}",
            error(&damaged)
        );
    }
}

#[test]
fn kinds_that_are_not_supported_are_named() {
    // ssh-dss, as ssh-keygen wrote it until 2025.
    assert_eq!(
        error("ssh-dss AAAAB3NzaC1kc3MAAAABAw=="),
        ReadPublicKeyError::Refused {
            format: PublicKeyFormat::OpenSsh,
            reason: PublicKeyError::Unsupported("OpenSSH type \"ssh-dss\"".into())
        }
    );
    // The X25519 key of RFC 8410 section 10.1.
    assert_eq!(
        error(
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
        ),
        ReadPublicKeyError::Refused {
            format: PublicKeyFormat::Spki,
            reason: PublicKeyError::Unsupported("X25519, which does not sign".into())
        }
    );
}

/// A key of each type in each format, made once.
fn files() -> &'static [String] {
    static FILES: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    FILES.get_or_init(|| {
        KINDS
            .into_iter()
            .flat_map(|kind| {
                let pair = PrivateKey::generate(kind).unwrap();
                let key = pair.public_key();
                [key.to_spki_pem(), key.to_openssh(Some("a comment")), key.to_jwk().to_string()]
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn any_comment_stays_on_its_line_and_comes_back(comment in any::<String>()) {
        let line = ed25519().to_openssh(Some(&comment));
        prop_assert!(!line.contains(['\r', '\n']));
        let read = PublicKey::read(line.as_bytes()).unwrap();
        prop_assert_eq!(read.key.to_openssh(read.comment.as_deref()), line);
    }

    #[test]
    fn a_damaged_file_is_refused_or_a_key_like_any_other(
        file in 0..12_usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut file = files()[file].clone().into_bytes();
        let at = at.index(file.len());
        file[at] = byte;
        match PublicKey::read(&file) {
            Ok(read) => {
                let again = PublicKey::read(read.key.to_spki_pem().as_bytes()).unwrap();
                prop_assert_eq!(again.key, read.key);
            }
            Err(error) => prop_assert!(error.to_string().starts_with("found ")),
        }
    }
}

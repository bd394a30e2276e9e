//! Wrong files: the error names the file, what was found and what was expected.

use crate::support::{Sandbox, mode};

#[test]
fn a_private_key_is_written_for_its_owner_and_nothing_is_overwritten() {
    let sandbox = Sandbox::new();
    let made = sandbox.json(&["key", "generate", "--out", "robot.key"]);
    assert_eq!(made["private_key"], "robot.key");
    assert_eq!(made["public_key"], "robot.key.pub");
    assert_eq!(made["type"], "Ed25519");
    assert_eq!(mode(&sandbox.path("robot.key")), 0o600);
    assert!(sandbox.read("robot.key.pub").starts_with("-----BEGIN PUBLIC KEY-----"));

    let (private, public) = (sandbox.read("robot.key"), sandbox.read("robot.key.pub"));
    let said = sandbox.fails(2, &["key", "generate", "--out", "robot.key"]);
    assert!(said.contains("robot.key.pub exists already"), "{said}");
    std::fs::remove_file(sandbox.path("robot.key.pub")).unwrap();
    let said = sandbox.fails(2, &["key", "generate", "--out", "robot.key"]);
    assert!(said.contains("robot.key exists already"), "{said}");
    assert_eq!(sandbox.read("robot.key"), private);
    assert!(!sandbox.path("robot.key.pub").exists(), "no public half of a key that is gone");
    assert!(!public.is_empty());
}

#[test]
fn every_type_of_key_can_be_made_shown_and_converted() {
    let sandbox = Sandbox::new();
    for (kind, shown) in
        [("ed25519", "Ed25519"), ("rsa", "RSA"), ("p256", "P-256"), ("p384", "P-384")]
    {
        let file = format!("{kind}.key");
        sandbox.ok(&["key", "generate", "--out", &file, "--type", kind]);
        let description = sandbox.json(&["key", "show", &file]);
        assert_eq!(description["type"], shown);
        let public = sandbox.json(&["key", "show", &format!("{file}.pub")]);
        assert_eq!(description["fingerprints"], public["fingerprints"]);
        for format in ["pem", "openssh", "jwk"] {
            for half in [
                &["key", "convert", &file, "--to", format][..],
                &["key", "convert", &file, "--public", "--to", format],
            ] {
                sandbox.write("converted", sandbox.ok(half));
                let back = sandbox.json(&["key", "show", "converted"]);
                assert_eq!(back["fingerprints"], public["fingerprints"], "{half:?}");
                assert_eq!(back["private"], half.len() == 5, "{half:?}");
            }
        }
    }
    let said =
        sandbox.fails(2, &["key", "generate", "--out", "x", "--type", "rsa", "--bits", "1024"]);
    assert!(said.contains("1024: expected 2048"), "{said}");
    let said = sandbox.fails(2, &["key", "generate", "--out", "x", "--bits", "2048"]);
    assert!(said.contains("--type rsa"), "{said}");
}

#[test]
fn a_passphrase_missing_wrong_or_needless_is_said_so() {
    let sandbox = Sandbox::new();
    sandbox.write("right", "correct horse\n");
    sandbox.write("wrong", "battery staple\n");
    sandbox.write("empty", "\n");
    sandbox.ok(&["key", "generate", "--out", "locked.key", "--passphrase-file", "right"]);
    assert!(sandbox.read("locked.key").starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    sandbox.key("open");

    let header = |key: &'static str| ["header", "--account", "robot", "--key", key];
    let with = |file: &'static str| ["--passphrase-file", file];
    sandbox.ok(&[&header("locked.key")[..], &with("right")].concat());
    let missing = sandbox.fails(2, &header("locked.key"));
    assert!(missing.contains("locked.key") && missing.contains("--passphrase-file"), "{missing}");
    let wrong = sandbox.fails(2, &[&header("locked.key")[..], &with("wrong")].concat());
    assert!(wrong.contains("locked.key: the passphrase does not fit"), "{wrong}");
    let needless = sandbox.fails(2, &[&header("open.key")[..], &with("right")].concat());
    assert!(needless.contains("open.key") && needless.contains("not encrypted"), "{needless}");
    let empty = sandbox.fails(2, &[&header("locked.key")[..], &with("empty")].concat());
    assert!(empty.contains("empty is empty, expected a passphrase"), "{empty}");
}

#[test]
fn the_wrong_kind_of_file_is_named_with_what_was_expected() {
    let sandbox = Sandbox::new();
    sandbox.key("robot");
    sandbox.write("note.txt", "buy milk\n");
    sandbox.write("picture", b"\x89PNG\r\n\x1a\n\0\0\0");
    sandbox.write("nothing", "");

    let said = sandbox.fails(2, &["key", "add", "robot", "robot.key"]);
    assert!(said.contains("robot.key: found a private key"), "{said}");
    let said = sandbox.fails(2, &["header", "--account", "robot", "--key", "robot.key.pub"]);
    assert!(said.contains("robot.key.pub: found a public key: give the private key"), "{said}");
    for (file, found) in [
        ("note.txt", "found text of no known format"),
        ("picture", "found binary data"),
        ("nothing", "found nothing"),
    ] {
        let said = sandbox.fails(2, &["key", "show", file]);
        assert!(said.contains(&format!("{file}: {found}: expected one public key")), "{said}");
        let said = sandbox.fails(2, &["header", "--account", "robot", "--key", file]);
        assert!(said.contains(&format!("{file}: {found}: expected one private key")), "{said}");
    }
    let said = sandbox.fails(2, &["key", "show", "missing.pem"]);
    assert!(said.contains("cannot read missing.pem: No such file"), "{said}");
    let said = sandbox.fails(2, &["key", "show", "."]);
    assert!(said.contains("is a directory, expected a file"), "{said}");
}

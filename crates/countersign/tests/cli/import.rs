//! What an import asks for before it reads anything. That callers carry on after one is
//! shown with the real programs' databases, in `interop`.

use std::fs;

use crate::support::Sandbox;

const JWTHENTICATOR: [&str; 2] = ["import", "jwthenticator"];

fn from(url: &str) -> Vec<&str> {
    [&JWTHENTICATOR[..], &["--from", url]].concat()
}

#[test]
fn an_import_needs_an_installation_that_nobody_serves() {
    let sandbox = Sandbox::new();
    sandbox.write("other.db", "");
    let said = sandbox.fails(2, &from("sqlite:other.db"));
    assert!(said.contains("there is no data directory"), "{said}");

    let server = sandbox.serve(&[]);
    let said = sandbox.fails(2, &from("sqlite:other.db"));
    assert!(said.contains("in use by a running server") && said.contains("stop it"), "{said}");
    server.stop();

    // Were it the first to come, the first start would make no administrator.
    fs::remove_file(sandbox.data_dir().join("countersign.db")).unwrap();
    let said = sandbox.fails(2, &from("sqlite:other.db"));
    assert!(said.contains("countersign serve") && said.contains("administrator"), "{said}");
    assert!(!sandbox.data_dir().join("countersign.db").exists(), "nothing is made");
}

#[test]
fn an_import_needs_the_encryption_key_and_makes_none() {
    let sandbox = Sandbox::new();
    sandbox.serve(&[]).stop();
    let key = sandbox.data_dir().join("encryption.key");
    fs::remove_file(&key).unwrap();
    sandbox.write("other.db", "");
    let said = sandbox.fails(2, &from("sqlite:other.db"));
    assert!(said.contains("encryption.key"), "{said}");
    assert!(!key.exists());

    let other = Sandbox::new();
    other.serve(&[]).stop();
    fs::copy(other.data_dir().join("encryption.key"), &key).unwrap();
    let said = sandbox.fails(2, &from("sqlite:other.db"));
    assert!(said.contains("not the one that the secrets in the store"), "{said}");
}

#[test]
fn a_source_that_is_none_is_refused_without_repeating_its_password() {
    let sandbox = Sandbox::new();
    sandbox.serve(&[]).stop();
    let dead = "postgres://someone:s3cret@127.0.0.1:1/jwt";
    for (url, expected) in [
        ("mysql://someone:s3cret@host/jwt", "no PostgreSQL URL"),
        ("sqlite:nothing.db", "there is no file nothing.db"),
        (dead, "--from: "),
    ] {
        let said = sandbox.fails(2, &from(url));
        assert!(said.contains(expected) && !said.contains("s3cret"), "{said}");
    }
    assert!(!sandbox.path("nothing.db").exists());

    sandbox.write("text.db", "someone's notes, not a database. ".repeat(100));
    let said = sandbox.fails(2, &from("sqlite:text.db"));
    assert!(said.contains("file is not a database"), "{said}");

    sandbox.write("empty.db", "");
    let said = sandbox.fails(2, &from("sqlite:empty.db"));
    assert!(said.contains("it has no table `keys`"), "{said}");
    let said = sandbox.fails(2, &["import", "asymmetric-jwt-auth", "--from", "sqlite:empty.db"]);
    assert!(said.contains("it has no table `auth_user`"), "{said}");
    assert_eq!(sandbox.read("empty.db"), "");
}

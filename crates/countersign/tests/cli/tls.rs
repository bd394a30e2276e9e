//! TLS, and a certificate that changes while the server runs.

use std::fs;

use crate::support::{Sandbox, wait_for};

/// A certificate that does not name the address the commands connect to.
fn certificate(sandbox: &Sandbox, names: &[&str], cert: &str, key: &str) {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    sandbox.write(cert, made.cert.pem());
    sandbox.write(key, made.signing_key.serialize_pem());
}

#[test]
fn commands_on_the_same_machine_know_the_servers_certificate() {
    let sandbox = Sandbox::new();
    certificate(&sandbox, &["auth.example"], "cert.pem", "key.pem");
    let server = sandbox.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    assert!(server.internal("").starts_with("https://127.0.0.1:"));
    sandbox.ok(&["account", "list"]);

    // Another certificate in the file than the server shows: not our server.
    certificate(&sandbox, &["auth.example"], "other.pem", "other-key.pem");
    let mut file = server.file.clone();
    file["tls_cert"] = sandbox.path("other.pem").to_str().unwrap().into();
    sandbox.write("data/server.json", file.to_string());
    let said = sandbox.fails(4, &["account", "list"]);
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn a_changed_certificate_is_shown_and_a_bad_one_is_not() {
    let sandbox = Sandbox::new();
    certificate(&sandbox, &["127.0.0.1"], "first.pem", "first-key.pem");
    certificate(&sandbox, &["127.0.0.1"], "second.pem", "second-key.pem");
    sandbox.key("robot");
    fs::copy(sandbox.path("first.pem"), sandbox.path("cert.pem")).unwrap();
    fs::copy(sandbox.path("first-key.pem"), sandbox.path("key.pem")).unwrap();
    let server = sandbox.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let url = server.public("/health/live");
    let trusting = |certificate: &str| {
        let caller = ["request", "--account", "robot", "--key", "robot.key"];
        sandbox.run(&[&caller[..], &["--ca-cert", certificate, &url]].concat()).code
    };
    assert_eq!(trusting("first.pem"), 0);
    assert_eq!(trusting("second.pem"), 4);

    fs::copy(sandbox.path("second.pem"), sandbox.path("cert.pem")).unwrap();
    fs::copy(sandbox.path("second-key.pem"), sandbox.path("key.pem")).unwrap();
    wait_for("the new certificate", || (trusting("second.pem") == 0).then_some(()));
    assert_eq!(trusting("first.pem"), 4);

    sandbox.write("cert.pem", "half a certif");
    wait_for("a warning", || server.log().contains("the former certificate stays").then_some(()));
    assert_eq!(trusting("second.pem"), 0);
}

#[test]
fn files_that_are_no_use_for_tls_are_named() {
    let sandbox = Sandbox::new();
    certificate(&sandbox, &["auth.example"], "cert.pem", "key.pem");
    certificate(&sandbox, &["auth.example"], "other.pem", "other-key.pem");
    let serve = |cert: &'static str, key: &'static str| {
        let ports = ["serve", "--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0"];
        sandbox.fails(2, &[&ports[..], &["--tls-cert", cert, "--tls-key", key]].concat())
    };
    let said = serve("key.pem", "key.pem");
    assert!(said.contains("key.pem holds no certificate, expected PEM"), "{said}");
    let said = serve("cert.pem", "cert.pem");
    assert!(said.contains("cert.pem holds no private key"), "{said}");
    let said = serve("cert.pem", "other-key.pem");
    assert!(
        said.contains("other-key.pem is not the private key of the certificate in cert.pem"),
        "{said}"
    );
    let said = serve("missing.pem", "key.pem");
    assert!(said.contains("cannot read missing.pem"), "{said}");
}

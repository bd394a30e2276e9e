//! From a private key to an allowed request, and back to a refused one.

use std::fs;

use crate::support::Sandbox;

#[test]
fn a_request_is_allowed_once_until_its_key_is_revoked() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.account("robot");

    let authorization = sandbox.authorization("robot");
    let allowed = server.response(&authorization);
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["x-auth-account"], "robot");
    assert_eq!(allowed.headers()["x-auth-credential"], sandbox.fingerprint("robot").as_str());
    assert_eq!(server.forward_auth(&authorization), 401, "a replay");

    let waiting = sandbox.authorization("robot");
    sandbox.ok(&["key", "revoke", "robot", &sandbox.fingerprint("robot")]);
    assert_eq!(server.forward_auth(&waiting), 401, "revoked");

    let log = server.stop();
    assert!(log.contains("replayed") && log.contains("key_revoked"), "{log}");
}

#[test]
fn a_disabled_account_is_refused_at_once_and_accepted_again() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.account("robot");

    sandbox.ok(&["account", "disable", "robot"]);
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 401);
    sandbox.ok(&["account", "enable", "robot"]);
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 200);
    sandbox.ok(&["account", "delete", "robot", "--yes"]);
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 401);
}

#[test]
fn an_expired_key_is_refused_and_one_without_end_accepted() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.account("robot");
    let fingerprint = sandbox.fingerprint("robot");

    sandbox.ok(&["key", "expire", "robot", &fingerprint, "--in", "0s"]);
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 401);
    sandbox.ok(&["key", "expire", "robot", &fingerprint, "--never"]);
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 200);
}

#[test]
fn request_shows_the_answer_and_says_in_its_exit_code_how_it_went() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.account("robot");
    let url = server.public("/forward-auth");
    let caller = ["request", "--account", "robot", "--key", "robot.key"];

    let shown = sandbox.ok(&[&caller[..], &["-i", &url]].concat());
    assert!(shown.starts_with("HTTP/1.1 200 OK\n"), "{shown}");
    assert!(shown.contains("\nx-auth-account: robot\n"), "{shown}");
    let posted = ["-d", "a=b", "-H", "X-Original: yes", &url, "-i"];
    assert!(sandbox.ok(&[&caller[..], &posted].concat()).starts_with("HTTP/1.1 200"));
    sandbox.ok(&[&caller[..], &["DELETE", &url]].concat());

    sandbox.ok(&["account", "disable", "robot"]);
    let said = sandbox.fails(1, &[&caller[..], &[&url]].concat());
    assert!(said.contains("401 Unauthorized"), "{said}");
    let body = sandbox.run(&[&caller[..], &[&server.public("/health/live")]].concat());
    assert_eq!((body.code, body.stdout.as_str()), (0, "live\n"));
    server.stop();
    let said = sandbox.fails(4, &[&caller[..], &[&url]].concat());
    assert!(said.contains("cannot reach 127.0.0.1"), "{said}");
}

#[test]
fn the_default_key_is_the_one_ssh_has() {
    let sandbox = Sandbox::new();
    let said = sandbox.fails(2, &["header", "--account", "robot"]);
    assert!(said.contains("~/.ssh/id_rsa") && said.contains("--key FILE"), "{said}");

    fs::create_dir(sandbox.path(".ssh")).unwrap();
    sandbox.ok(&["key", "generate", "--out", ".ssh/id_ed25519"]);
    assert!(sandbox.ok(&["header", "--account", "robot"]).starts_with("Authorization: JWT ey"));
    sandbox.ok(&["key", "generate", "--out", ".ssh/id_rsa", "--type", "rsa", "--bits", "2048"]);
    let header = sandbox.ok(&["header", "--account", "robot"]);
    let inspected = sandbox.json(&["token", "inspect", header.trim()]);
    assert_eq!(inspected["header"]["alg"], "RS512", "id_rsa comes first, as in the original");
}

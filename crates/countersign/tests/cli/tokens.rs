//! Looking into tokens.

use std::io::Write as _;
use std::process::Stdio;

use crate::support::{Said, Sandbox};

#[test]
fn inspect_shows_everything_and_claims_nothing() {
    let sandbox = Sandbox::new();
    sandbox.key("robot");
    let header = format!("Authorization: {}", sandbox.authorization("robot"));
    let shown = sandbox.ok(&["token", "inspect", &header]);
    assert!(shown.contains("Nothing was verified"), "{shown}");
    assert!(shown.contains("\"username\": \"robot\""), "{shown}");

    let inspected = sandbox.json(&["token", "inspect", &header]);
    assert_eq!(inspected["verified"], false);
    assert_eq!(inspected["header"]["alg"], "EdDSA");
    assert_eq!(inspected["malformed"], serde_json::Value::Null);
    assert!(inspected["age_seconds"].is_number());

    let said = sandbox.fails(2, &["token", "inspect", "not.a-token"]);
    assert!(said.contains("2 parts") && said.contains("expected three parts"), "{said}");
    // {"alg":"none"} over {}: readable, and no signed request.
    let inspected = sandbox.json(&["token", "inspect", "eyJhbGciOiJub25lIn0.e30."]);
    assert_eq!(inspected["malformed"], "algorithm_unsupported");
}

#[test]
fn inspect_reads_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.key("robot");
    let mut command = sandbox.command(&["token", "inspect", "-", "-o", "json"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(sandbox.authorization("robot").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let inspected: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(inspected["claims"]["username"], "robot");
}

#[test]
fn verify_tells_the_key_that_signed_from_another() {
    let sandbox = Sandbox::new();
    sandbox.key("robot");
    sandbox.key("other");
    let token = sandbox.authorization("robot");
    let verified = sandbox.json(&["token", "verify", "--public-key", "robot.key.pub", &token]);
    assert_eq!(verified["verified"], true);
    assert_eq!(verified["signature"], true);

    let arguments = ["token", "verify", "--public-key", "other.key.pub", &token, "-o", "json"];
    let refused = Said::of(&mut sandbox.command(&arguments));
    assert_eq!(refused.code, 1);
    let refused: serde_json::Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(refused["signature"], false);
    assert_eq!(refused["reason"], "signature_invalid");

    let late = ["token", "verify", "--public-key", "robot.key.pub", "--tolerance", "0s", &token];
    let late = Said::of(&mut sandbox.command(&late));
    assert!(late.stdout.contains("made by this key"), "{}", late.stdout);
    assert_eq!(late.code, 1, "a whole second is no time at all: {}", late.stdout);
}

//! `--compat jwthenticator`: the environment, the port and the claims of the original.

use serde_json::json;

use crate::support::{Sandbox, Server, mode};

const ID: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
const OTHER: &str = "7b1f1a52-8c4f-4e0e-9d53-6a6b0f9d6f43";

/// Its one port is for all interfaces, so the tests say another address; the rest is
/// what the environment says.
fn serve(sandbox: &Sandbox, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
    sandbox.serve_with(&[&["--compat", "jwthenticator"], arguments].concat(), variables)
}

fn members(jwt: &str, sandbox: &Sandbox) -> Vec<String> {
    let inspected = sandbox.json(&["token", "inspect", jwt]);
    inspected["claims"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn one_port_its_claims_and_its_lifetime() {
    let sandbox = Sandbox::new();
    let server = serve(&sandbox, &[], &[("URL_PREFIX", "/auth"), ("JWT_AUDIENCE", "a,b")]);
    let url = |path: &str| server.public(&format!("/auth{path}"));
    let body = json!({ "key": "a key", "identifier": ID });
    assert_eq!(Server::post(&url("/register_key"), &body).0, 201);
    let (status, session) = Server::post(&url("/authenticate"), &body);
    assert_eq!(status, 200);
    let jwt = session["jwt"].as_str().unwrap();
    assert_eq!(members(jwt, &sandbox), ["aud", "exp", "iat", "identifier", "token_id"]);
    let inspected = sandbox.json(&["token", "inspect", jwt]);
    assert_eq!(inspected["header"]["alg"], "RS256");
    let claims = &inspected["claims"];
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 25 * 3600);
    let (status, _) =
        Server::post(&url("/authenticate"), &json!({ "key": "a key", "identifier": OTHER }));
    assert_eq!(status, 401, "the identifier rule stays on");
    for path in ["", "/", "/health"] {
        assert_eq!(Server::get(&url(path))["result"], true);
    }
}

#[test]
fn any_identifier_only_by_the_loud_name() {
    let sandbox = Sandbox::new();
    let server = serve(&sandbox, &["--dangerous-allow-any-identifier"], &[]);
    let body = json!({ "key": "a key", "identifier": ID });
    assert_eq!(Server::post(&server.public("/register_key"), &body).0, 201);
    let (jwt, _) = server.authenticate("a key", OTHER);
    assert_eq!(members(&jwt, &sandbox), ["exp", "iat", "identifier", "sub", "token_id"]);
    let log = server.stop();
    assert!(log.contains("WARN dangerous_allow_any_identifier is on"), "{log}");
}

#[test]
fn the_key_pair_of_the_original_signs_under_its_name() {
    let sandbox = Sandbox::new();
    let files = [("RSA_PUBLIC_KEY_PATH", "rsa.pub"), ("RSA_PRIVATE_KEY_PATH", "rsa.key")];
    let server = serve(&sandbox, &[], &files);
    assert_eq!(mode(&sandbox.path("rsa.key")), 0o600);
    let body = json!({ "key": "a key", "identifier": ID });
    assert_eq!(Server::post(&server.public("/register_key"), &body).0, 201);
    let (jwt, _) = server.authenticate("a key", ID);
    let kid = sandbox.json(&["token", "inspect", &jwt])["header"]["kid"].clone();
    assert_eq!(kid.as_str().unwrap().len(), 27, "base64url of a SHA-1");
    let log = server.stop();
    assert!(!log.contains("is not used"), "{log}");

    // The same pair in variables, on a store of its own: it goes by the same name.
    let (public, private) = (sandbox.read("rsa.pub"), sandbox.read("rsa.key"));
    let elsewhere = Sandbox::new();
    let pair = [("RSA_PUBLIC_KEY", &*public), ("RSA_PRIVATE_KEY", &*private)];
    let server = serve(&elsewhere, &[], &pair);
    assert_eq!(Server::get(&server.public("/jwks"))["keys"][0]["kid"], kid);
    let (status, _) = Server::post(&server.public("/validate"), &json!({ "jwt": jwt }));
    assert_eq!(status, 401, "signed by the same key, but of an account that is not here");
    server.stop();

    // With the public half alone, tokens are judged and none are given out.
    let validator = Sandbox::new();
    let server = serve(&validator, &[], &pair[..1]);
    assert_eq!(Server::post(&server.public("/register_key"), &body).0, 201);
    let (status, _) = Server::post(&server.public("/validate"), &json!({ "jwt": jwt }));
    assert_eq!(status, 200);
    assert_eq!(Server::post(&server.public("/authenticate"), &body).0, 503);
    let keys = Server::get(&server.public("/jwks"));
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn a_key_pair_that_comes_too_late_is_said_to_be_unused() {
    let sandbox = Sandbox::new();
    serve(&sandbox, &[], &[]).stop();
    let files = [("RSA_PUBLIC_KEY_PATH", "rsa.pub"), ("RSA_PRIVATE_KEY_PATH", "rsa.key")];
    let log = serve(&sandbox, &[], &files).stop();
    assert!(log.contains("is not used") && log.contains("signing-key import"), "{log}");
}

#[test]
fn what_is_wrong_in_the_environment_is_named() {
    let sandbox = Sandbox::new();
    sandbox.key("ed");
    let ed = sandbox.read("ed.key.pub");
    for (name, value) in [
        ("PORT", "none"),
        ("JWT_ALGORITHM", "HS256"),
        ("DISABLE_EXTERNAL_API", "maybe"),
        ("RSA_PUBLIC_KEY", "nonsense"),
        ("DB_URI", "mysql://a:secret@b/c"),
    ] {
        let mut command = sandbox.command(&["serve", "--compat", "jwthenticator"]);
        let said = crate::support::Said::of(command.env(name, value));
        assert_eq!(said.code, 2, "{}", said.stderr);
        assert!(said.stderr.contains(name) && !said.stderr.contains("secret"), "{}", said.stderr);
    }
    let mut command =
        sandbox.command(&["serve", "--compat", "jwthenticator", "--listen", "127.0.0.1:0"]);
    let said = crate::support::Said::of(command.env("RSA_PUBLIC_KEY", ed).env("PORT", "1"));
    assert!(said.code == 2 && said.stderr.contains("JWT_ALGORITHM"), "{}", said.stderr);
}

//! What is wrong with a call is said so that its maker can put it right.

use countersign_server::api::routes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;

use crate::support::{World, answer};

/// Status, code and detail of what an administrator's call is answered.
async fn outcome(method: &str, path: &str, body: &str) -> String {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    world.account("worker", &[]).await;
    let answer = world.call(&admin, method, path, body).await;
    let code = answer.problem();
    let problem: countersign_server::api::Problem = answer.json();
    format!("{} {code}: {}", problem.status, problem.detail)
}

#[tokio::test]
async fn a_problem_document_has_all_members() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let answer = world.call(&admin, "GET", "/v1/accounts/nobody", "").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    insta::assert_snapshot!(answer.body, @r##"{"type":"urn:countersign:problem:no-such-account","title":"There is no such account","status":404,"detail":"there is no account called nobody: list them"}"##);
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let mut outcomes = Vec::new();
    for body in [
        "",
        "{",
        "[]",
        r#"["x", [], null]"#,
        "null",
        "{}",
        r#"{"name": ""}"#,
        r#"{"name": " x"}"#,
        r#"{"name": 7}"#,
        r#"{"name": "a\u0000b"}"#,
        r#"{"name": ".."}"#,
        r#"{"name": "x", "group": ["typo"]}"#,
        r#"{"name": "x", "groups": ["ok", "not ok"]}"#,
        r#"{"name": "x", "groups": "ok"}"#,
        r#"{"name": "x", "id": "7"}"#,
        r#"{"name": "x", "name": "y"}"#,
        r#"{"name": "x"} {"name": "y"}"#,
    ] {
        let outcome = outcome("POST", routes::ACCOUNTS, body).await;
        outcomes.push(format!("{body:<45} -> {outcome}"));
    }
    insta::assert_snapshot!(outcomes.join("\n"), @r##"
                                                  -> 400 invalid-request: the body: expected a JSON object
    {                                             -> 400 invalid-request: the body: EOF while parsing an object at line 1 column 1
    []                                            -> 400 invalid-request: the body: expected a JSON object
    ["x", [], null]                               -> 400 invalid-request: the body: expected a JSON object
    null                                          -> 400 invalid-request: the body: expected a JSON object
    {}                                            -> 400 invalid-request: the body: missing field `name` at line 1 column 2
    {"name": ""}                                  -> 400 invalid-request: `name` in the body: a name must not be empty at line 1 column 12
    {"name": " x"}                                -> 400 invalid-request: `name` in the body: a name must not begin or end with a blank at line 1 column 14
    {"name": 7}                                   -> 400 invalid-request: `name` in the body: invalid type: integer `7`, expected a string at line 1 column 10
    {"name": "a\u0000b"}                          -> 400 invalid-request: `name` in the body: a name must consist of printable characters, found U+0000 at line 1 column 20
    {"name": ".."}                                -> 400 invalid-request: `name` in the body: a name of dots cannot stand in a URL
    {"name": "x", "group": ["typo"]}              -> 400 invalid-request: `group` in the body: unknown field `group`, expected one of `name`, `groups`, `id` at line 1 column 21
    {"name": "x", "groups": ["ok", "not ok"]}     -> 400 invalid-request: `groups[1]` in the body: a group may only contain A-Z a-z 0-9 . _ : / -, found ' ' at line 1 column 40
    {"name": "x", "groups": "ok"}                 -> 400 invalid-request: `groups` in the body: invalid type: string "ok", expected a sequence at line 1 column 28
    {"name": "x", "id": "7"}                      -> 400 invalid-request: `id` in the body: UUID parsing failed: invalid length: found 1 at line 1 column 23
    {"name": "x", "name": "y"}                    -> 400 invalid-request: the body: duplicate field `name` at line 1 column 20
    {"name": "x"} {"name": "y"}                   -> 400 invalid-request: the body goes on after the JSON: trailing characters at line 1 column 15
    "##);
}

#[tokio::test]
async fn changes_are_one_act_and_never_by_accident() {
    let mut outcomes = Vec::new();
    for (path, body) in [
        ("/v1/accounts/worker", "{}"),
        ("/v1/accounts/worker", r#"{"disabled": true, "groups": []}"#),
        ("/v1/accounts/worker", r#"{"disabled": "yes"}"#),
        ("/v1/accounts/worker/keys/x", "{}"),
        ("/v1/accounts/worker/keys/x", r#"{"expires_at": "tomorrow"}"#),
        ("/v1/accounts/worker/keys/x", r#"{"expires_at": 1800000000}"#),
        ("/v1/accounts/worker/keys/x", r#"{"expires_at": null}"#),
        ("/v1/accounts/nobody/keys/x", r#"{"expires_at": null}"#),
        ("/v1/accounts/nobody", r#"{"disabled": true}"#),
    ] {
        let outcome = outcome("PATCH", path, body).await;
        outcomes.push(format!("{path} {body} -> {outcome}"));
    }
    insta::assert_snapshot!(outcomes.join("\n"), @r##"
    /v1/accounts/worker {} -> 400 invalid-request: the body: give either `disabled` or `groups`, one act at a time
    /v1/accounts/worker {"disabled": true, "groups": []} -> 400 invalid-request: the body: give either `disabled` or `groups`, one act at a time
    /v1/accounts/worker {"disabled": "yes"} -> 400 invalid-request: `disabled` in the body: invalid type: string "yes", expected a boolean at line 1 column 18
    /v1/accounts/worker/keys/x {} -> 400 invalid-request: the body: missing field `expires_at` at line 1 column 2
    /v1/accounts/worker/keys/x {"expires_at": "tomorrow"} -> 400 invalid-request: `expires_at` in the body: failed to parse four digit integer as year: invalid digit, expected 0-9 but got t at line 1 column 25
    /v1/accounts/worker/keys/x {"expires_at": 1800000000} -> 400 invalid-request: `expires_at` in the body: invalid type: integer `1800000000`, expected a timestamp string at line 1 column 25
    /v1/accounts/worker/keys/x {"expires_at": null} -> 404 no-such-key: no account called worker has a key with this fingerprint: list its keys
    /v1/accounts/nobody/keys/x {"expires_at": null} -> 404 no-such-key: no account called nobody has a key with this fingerprint: list its keys
    /v1/accounts/nobody {"disabled": true} -> 404 no-such-account: there is no account called nobody: list them
    "##);
}

#[tokio::test]
async fn paths_and_queries_are_read_strictly() {
    let mut outcomes = Vec::new();
    for path in [
        "/v1/accounts?limit=0",
        "/v1/accounts?limit=1001",
        "/v1/accounts?limit=-1",
        "/v1/accounts?limit=ten",
        "/v1/accounts?after=",
        "/v1/accounts?group=a%20b",
        "/v1/accounts?groups=x",
        "/v1/audit?after=first",
        "/v1/accounts/%20x",
        "/v1/accounts/%ff",
        "/v1/accounts/nobody/keys",
        "/v1/accounts/nobody/jwks-endpoints",
        "/v1/accounts/",
        "/v1/nothing",
    ] {
        let outcome = outcome("GET", path, "").await;
        outcomes.push(format!("{path} -> {outcome}"));
    }
    insta::assert_snapshot!(outcomes.join("\n"), @r##"
    /v1/accounts?limit=0 -> 400 invalid-request: `limit` must be 1..=1000, found 0
    /v1/accounts?limit=1001 -> 400 invalid-request: `limit` must be 1..=1000, found 1001
    /v1/accounts?limit=-1 -> 400 invalid-request: the query: limit: invalid digit found in string
    /v1/accounts?limit=ten -> 400 invalid-request: the query: limit: invalid digit found in string
    /v1/accounts?after= -> 400 invalid-request: the query: after: a name must not be empty
    /v1/accounts?group=a%20b -> 400 invalid-request: the query: group: a group may only contain A-Z a-z 0-9 . _ : / -, found ' '
    /v1/accounts?groups=x -> 400 invalid-request: the query: groups: unknown field `groups`, expected one of `after`, `limit`, `group`, `name_contains`, `key_expires_after`, `key_expires_before`
    /v1/audit?after=first -> 400 invalid-request: the query: after: invalid digit found in string
    /v1/accounts/%20x -> 400 invalid-request: the account in the path: a name must not begin or end with a blank
    /v1/accounts/%ff -> 400 invalid-request: the path is not UTF-8 after percent-decoding
    /v1/accounts/nobody/keys -> 404 no-such-account: there is no account called nobody: list them
    /v1/accounts/nobody/jwks-endpoints -> 404 no-such-account: there is no account called nobody: list them
    /v1/accounts/ -> 404 no-such-route: there is nothing at this path
    /v1/nothing -> 404 no-such-route: there is nothing at this path
    "##);
    let long = format!("/v1/accounts?name_contains={}", "x".repeat(256));
    assert!(outcome("GET", &long, "").await.starts_with("400 invalid-request"));
}

#[tokio::test]
async fn keys_and_urls_that_will_not_do_are_explained() {
    let mut outcomes = Vec::new();
    for key in ["", "ssh-ed25519 AAAA", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"]
    {
        let body = json!({ "public_key": key }).to_string();
        let outcome = outcome("POST", "/v1/accounts/worker/keys", &body).await;
        outcomes.push(format!("{key:?} -> {outcome}"));
    }
    let small_order =
        format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{}\"}}", "A".repeat(43));
    let body = json!({ "public_key": small_order }).to_string();
    let weak = outcome("POST", "/v1/accounts/worker/keys", &body).await;
    outcomes.push(format!("a weak key -> {weak}"));
    let body = json!({ "url": "https://keys.example/" }).to_string();
    let not_fetched = outcome("POST", "/v1/accounts/worker/jwks-endpoints", &body).await;
    outcomes.push(format!("a URL where none is fetched -> {not_fetched}"));
    insta::assert_snapshot!(outcomes.join("\n"), @r##"
    "" -> 422 unacceptable-key: found nothing: expected one public key: PEM (PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE), an OpenSSH line (ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256 or -nistp384) or a JWK
    "ssh-ed25519 AAAA" -> 422 unacceptable-key: found an OpenSSH public key that is damaged (the key ends too early or has a malformed number): expected one public key: PEM (PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE), an OpenSSH line (ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256 or -nistp384) or a JWK
    "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n" -> 422 unacceptable-key: found a private key: give its public half instead; a private key stays with its owner
    a weak key -> 422 unacceptable-key: found a JWK that cannot be used: the Ed25519 key is a point of small order: anyone could sign for it
    a URL where none is fetched -> 422 unacceptable-url: this server does not fetch JWKS: register the keys themselves
    "##);

    let comment = json!({ "public_key": "x", "comment": "x".repeat(257) }).to_string();
    assert!(outcome("POST", "/v1/accounts/worker/keys", &comment).await.starts_with("422"));
}

#[tokio::test]
async fn too_many_groups_are_refused() {
    let groups: Vec<_> = (0..257).map(|number| format!("g{number}")).collect();
    let body = json!({ "name": "x", "groups": groups }).to_string();
    let outcome = outcome("POST", routes::ACCOUNTS, &body).await;
    assert_eq!(outcome, "400 invalid-request: `groups` in the body: at most 256 are allowed");
}

#[tokio::test]
async fn a_body_says_that_it_is_json() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let status = async |content_type: Option<&str>| {
        let body = json!({"name": format!("{content_type:?}")}).to_string();
        let mut request = world.signed(&admin, "POST", routes::ACCOUNTS, &body);
        request.headers_mut().remove(CONTENT_TYPE);
        if let Some(content_type) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        answer(world.internal(), request).await.status
    };
    assert_eq!(status(Some("Application/JSON ; charset=utf-8")).await, StatusCode::CREATED);
    for other in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
        assert_eq!(status(other).await, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{other:?}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_known_is_405_for_administrators() {
    assert!(outcome("PUT", routes::ACCOUNTS, "").await.starts_with("405 method-not-allowed"));
    assert!(outcome("GET", "/v1/accounts/worker/keys/x", "").await.starts_with("405"));
}

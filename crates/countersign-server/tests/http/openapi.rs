//! The documents: what they describe is there, and what is there they describe.

use std::collections::BTreeSet;

use axum::body::Body;
use countersign_core::ports::{AdminStore as _, NewAccount, NewPublicKey};
use countersign_core::{AccountId, AccountName, GroupName, KeyKind, PrivateKey, RequestSigner};
use countersign_server::key_to_token::{Registration, TokenRoutes};
use countersign_server::openapi::{DOCS, OPENAPI};
use countersign_server::{Settings, TokenSettings};
use http::{Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::support::documented::document;
use crate::support::tokens::{IDENTIFIER, On, TokenWorld};
use crate::support::{Answer, HOST, INSTANCE, answer, signed};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Everything that can be switched on.
async fn everything(openapi: bool) -> TokenWorld {
    let token_routes = TokenRoutes { external: true, registration: Registration::AlsoPublic };
    let settings = Settings { token_routes, openapi, ..Settings::new(INSTANCE) };
    TokenWorld::with(On::Sqlite, settings, TokenSettings::default()).await
}

/// The paths that a source file declares, as `pub const NAME: &str = "/path";`.
fn declared(source: &str) -> BTreeSet<String> {
    let constants = source.lines().filter_map(|line| line.strip_prefix("pub const "));
    let paths = constants.filter_map(|line| line.split_once(": &str = \"/")?.1.strip_suffix("\";"));
    paths.map(|path| format!("/{path}")).collect()
}

fn paths(document: &Value) -> BTreeSet<String> {
    document["paths"].as_object().unwrap().keys().cloned().collect()
}

/// The methods that a document knows of a path, and those it does not.
fn methods(document: &Value, path: &str) -> (Vec<Method>, Vec<Method>) {
    let item = &document["paths"][path];
    let (known, unknown): (Vec<_>, Vec<_>) =
        METHODS.iter().partition(|method| item[**method].is_object());
    let method = |name: &&str| Method::from_bytes(name.to_ascii_uppercase().as_bytes()).unwrap();
    (known.into_iter().map(method).collect(), unknown.into_iter().map(method).collect())
}

#[tokio::test]
async fn every_path_that_is_declared_is_documented_and_the_reverse() {
    let world = everything(true).await;
    let health = declared(include_str!("../../src/health.rs"));
    let registration = declared(include_str!("../../src/key_to_token/registration.rs"));
    let mut own = declared(include_str!("../../src/openapi.rs"));
    own.extend([DOCS.to_owned(), format!("{DOCS}/"), format!("{DOCS}/{{file}}")]);
    let shared = [health, registration, own].into_iter().flatten().collect::<BTreeSet<_>>();
    assert_eq!(shared.len(), 8);

    let administration = declared(include_str!("../../src/api/routes.rs"));
    assert!(administration.len() > 15, "{administration:?}");
    let internal = document(&world.internal()).await.unwrap();
    let metrics = declared(include_str!("../../src/metrics.rs"));
    assert_eq!(metrics.len(), 1);
    assert_eq!(paths(&internal), &(&shared | &administration) | &metrics);

    let mut gateway = declared(include_str!("../../src/public.rs"));
    assert_eq!(gateway.len(), 3);
    gateway.extend(["/forward-auth/{original}", "/ext-authz/{original}"].map(str::to_owned));
    let keys = declared(include_str!("../../src/request_keys.rs"));
    let tokens = declared(include_str!("../../src/key_to_token/external.rs"));
    assert!(tokens.len() > 7, "{tokens:?}");
    let public = document(&world.public()).await.unwrap();
    assert_eq!(paths(&public), &(&shared | &gateway) | &(&keys | &tokens));
}

#[tokio::test]
async fn every_documented_method_is_known_on_the_public_listener_and_no_other() {
    let world = everything(true).await;
    let public = document(&world.public()).await.unwrap();
    let status = async |method: Method, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        answer(world.public(), request).await.status
    };
    for path in paths(&public) {
        let (known, unknown) = methods(&public, &path);
        let asked = path.replace("{file}", "index.css").replace("{original}", "a/b");
        for method in known {
            let status = status(method.clone(), &asked).await;
            assert!(!matches!(status.as_u16(), 404 | 405), "{method} {path}: {status}");
        }
        // What answers GET answers HEAD (RFC 9110 section 9.3.2).
        for method in unknown.into_iter().filter(|method| method != Method::HEAD) {
            assert_eq!(status(method.clone(), &asked).await, 405, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_documented_method_is_known_on_the_internal_listener_and_no_other() {
    let world = everything(true).await;
    let admin = administrator(&world).await;
    let internal = document(&world.internal()).await.unwrap();
    let answer_to = async |request| answer(world.internal(), request).await;
    let ask = async |method: Method, path: &str| -> Answer {
        answer(
            world.internal(),
            signed((&world.clock, &world.random), &admin, (method.as_str(), path, "{}")),
        )
        .await
    };
    for path in paths(&internal) {
        let (known, unknown) = methods(&internal, &path);
        let asked = path.replace("{name}", "nobody").replace("{file}", "index.css");
        let asked = asked.replace("{id}", IDENTIFIER).replace("{fingerprint}", "x");
        for method in known {
            let answer = ask(method.clone(), &asked).await;
            assert_ne!(answer.status, 405, "{method} {path}: {answer:?}");
            let nothing = answer.status == 404 && answer.body.contains("no-such-route");
            assert!(!nothing, "{method} {path}: {answer:?}");
            assert_ne!(answer.status, 401, "{method} {path}: {answer:?}");
            // What strangers are refused is what is documented to be signed.
            let stranger = Request::builder().method(&method).uri(&asked).header("host", HOST);
            let stranger = stranger.body(Body::empty()).unwrap();
            let refused = answer_to(stranger).await.status == 401;
            let name = method.as_str().to_ascii_lowercase();
            let signed = internal["paths"][&path][&name]["security"].is_array();
            assert_eq!(refused, signed, "{method} {path}");
        }
        for method in unknown.into_iter().filter(|method| method != Method::HEAD) {
            assert_eq!(ask(method.clone(), &asked).await.status, 405, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_for_everybody_who_may_ask_the_listener() {
    let world = everything(true).await;
    let ask = async |path: &str, name: &str, value: &str| {
        let request = Request::get(path).header("host", HOST).header(name, value);
        answer_in_bytes(world.internal(), request.body(Body::empty()).unwrap()).await
    };
    for path in [OPENAPI, "/docs/", "/docs/swagger-ui-bundle.js", "/docs/swagger-initializer.js"] {
        let (status, headers, body) = ask(path, "sec-fetch-site", "same-origin").await;
        assert_eq!((status, body.is_empty()), (StatusCode::OK, false), "{path}");
        assert_eq!(headers["cache-control"], "public, max-age=300");
        assert_eq!(ask(path, "sec-fetch-site", "cross-site").await.0, 403, "{path}");
        assert_eq!(ask(path, "origin", "https://evil.example").await.0, 403, "{path}");
    }
    let (status, headers, _) = ask(DOCS, "accept", "text/html").await;
    assert_eq!((status.as_u16(), &headers["location"]), (308, &"docs/".parse().unwrap()));
    assert_eq!(ask("/docs/nothing.js", "accept", "*/*").await.0, 404);
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let world = everything(true).await;
    let request = || Request::get("/docs/").body(Body::empty()).unwrap();
    let (_, headers, _) = answer_in_bytes(world.public(), request()).await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    let script = Request::get("/docs/swagger-initializer.js").body(Body::empty()).unwrap();
    let script = answer(world.public(), script).await.body;
    for setting in [
        r#""url": "../openapi.json""#,
        r#""validatorUrl": "none""#,
        r#""supportedSubmitMethods": []"#,
    ] {
        assert!(script.contains(setting), "{script}");
    }
}

#[tokio::test]
async fn both_can_be_switched_off() {
    let world = everything(false).await;
    assert!(document(&world.public()).await.is_none());
    for path in [OPENAPI, DOCS, "/docs/", "/docs/swagger-initializer.js"] {
        assert_eq!(world.get(path, &[]).await.status, 404, "{path}");
        let request = Request::get(path).header("host", HOST).body(Body::empty()).unwrap();
        assert_eq!(answer(world.internal(), request).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn what_is_switched_off_is_not_documented() {
    let token_routes = TokenRoutes { external: false, registration: Registration::Off };
    let url_prefix = "/auth".parse().unwrap();
    let settings = Settings { token_routes, url_prefix, ..Settings::new(INSTANCE) };
    let world = TokenWorld::with(On::Sqlite, settings, TokenSettings::default()).await;
    let public = document(&world.public()).await.unwrap();
    assert_eq!(public["servers"][0]["url"], "/auth");
    for path in ["/authenticate", "/validate_request", "/register_key"] {
        assert!(!paths(&public).contains(path), "{path}");
    }
    assert!(paths(&public).contains("/jwks"));
    assert!(!paths(&document(&world.internal()).await.unwrap()).contains("/register_key"));
}

#[tokio::test]
async fn the_configured_headers_are_documented() {
    let mut settings = Settings::new(INSTANCE);
    settings.identity_headers.groups = "x-team".parse().unwrap();
    let world = TokenWorld::with(On::Sqlite, settings, TokenSettings::default()).await;
    let public = document(&world.public()).await.unwrap();
    for path in ["/forward-auth", "/validate_request"] {
        let headers = &public["paths"][path]["get"]["responses"]["200"]["headers"];
        assert!(headers["x-team"].is_object() && headers["x-auth-account"].is_object(), "{path}");
        assert!(headers["x-auth-groups"].is_null(), "{path}");
    }
}

/// What the files of the page are: compressed.
async fn answer_in_bytes(
    router: axum::Router,
    request: Request<Body>,
) -> (StatusCode, http::HeaderMap, axum::body::Bytes) {
    let (head, body) = router.oneshot(request).await.unwrap().into_parts();
    (head.status, head.headers, axum::body::to_bytes(body, usize::MAX).await.unwrap())
}

async fn administrator(world: &TokenWorld) -> RequestSigner {
    let name = AccountName::new("root").unwrap();
    let groups = vec![GroupName::new("admin").unwrap()];
    let new = NewAccount { id: AccountId(Uuid::from_u128(1)), name: name.clone(), groups };
    world.directory.create_account(&world.act(), new).await.unwrap();
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let public =
        NewPublicKey { key: key.public_key().clone(), comment: String::new(), expires_at: None };
    world.directory.add_public_key(&world.act(), &name, public).await.unwrap();
    RequestSigner::new(name, key)
}

//! Who may administrate, and who is not even told what there is.

use std::time::Duration;

use axum::body::{Body, Bytes};
use countersign_core::ports::{AccountChange, AdminStore as _, AuditFilter};
use countersign_core::{AccountName, BoundTo, KeyKind, PrivateKey, RequestBinding, RequestSigner};
use countersign_server::Settings;
use countersign_server::api::{Instance, routes};
use countersign_server::internal::{AllowedHosts, MAX_BODY_BYTES, Scheme};
use countersign_server::layers::Limits;
use futures_util::stream;
use http::{HeaderValue, Request, StatusCode};

use crate::support::{Answer, HOST, INSTANCE, World, answer};

/// One call of each route, and some of none.
const CALLS: [(&str, &str, &str); 16] = [
    ("GET", "/v1/accounts", ""),
    ("POST", "/v1/accounts", r#"{"name": "x"}"#),
    ("GET", "/v1/accounts/root", ""),
    ("GET", "/v1/accounts/nobody", ""),
    ("PATCH", "/v1/accounts/root", r#"{"disabled": true}"#),
    ("DELETE", "/v1/accounts/root", ""),
    ("GET", "/v1/accounts/root/keys", ""),
    ("POST", "/v1/accounts/root/keys", r#"{"public_key": "x"}"#),
    ("PATCH", "/v1/accounts/root/keys/x", r#"{"expires_at": null}"#),
    ("POST", "/v1/accounts/root/keys/x/revoke", ""),
    ("GET", "/v1/accounts/root/jwks-endpoints", ""),
    ("GET", "/v1/audit", ""),
    ("GET", "/v1/self-report", ""),
    ("GET", "/v1/there/is/no/such/route", ""),
    ("PUT", "/v1/accounts", "not even JSON"),
    ("DELETE", "/v1/accounts/root/jwks-endpoints?url=x", ""),
];

#[tokio::test]
async fn strangers_get_one_answer_everywhere() {
    let world = World::new();
    world.account("root", &["admin"]).await;
    let before = world.store.audit(&AuditFilter::default(), everything()).await.unwrap();
    let stranger = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let stranger = RequestSigner::new(AccountName::new("stranger").unwrap(), stranger);
    let mut first: Option<Answer> = None;
    for (method, path, body) in CALLS {
        let signed = world.signed(&stranger, method, path, body);
        let mut bare = world.signed(&stranger, method, path, body);
        bare.headers_mut().remove("authorization");
        for request in [signed, bare] {
            let refused = answer(world.internal(), request).await;
            assert_eq!(refused.problem(), "unauthenticated", "{method} {path}");
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
            assert_eq!(refused.header("www-authenticate"), "JWT");
            let refused = refused.without_request_id();
            assert_eq!(first.get_or_insert_with(|| refused.clone()), &refused);
        }
    }
    assert_eq!(world.store.audit(&AuditFilter::default(), everything()).await.unwrap(), before);
}

fn everything() -> countersign_core::ports::Page<i64> {
    countersign_core::ports::Page { after: None, limit: 1000 }
}

#[tokio::test]
async fn accounts_that_are_no_administrators_may_do_nothing() {
    let world = World::new();
    world.account("root", &["admin"]).await;
    let worker = world.account("worker", &["administrators", "Admin"]).await;
    for (method, path, body) in CALLS {
        let answer = world.call(&worker, method, path, body).await;
        assert_eq!(answer.problem(), "not-an-administrator", "{method} {path}");
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn auditors_may_look_and_change_nothing() {
    let world = World::new();
    world.account("root", &["admin"]).await;
    let auditor = world.account("ada", &["auditor"]).await;
    let before = world.store.audit(&AuditFilter::default(), everything()).await.unwrap();
    for (method, path, body) in CALLS {
        let answer = world.call(&auditor, method, path, body).await;
        if method == "GET" {
            assert_ne!(answer.status, StatusCode::FORBIDDEN, "{path}");
        } else {
            assert_eq!(answer.problem(), "not-an-administrator", "{method} {path}");
        }
    }
    assert_eq!(world.store.audit(&AuditFilter::default(), everything()).await.unwrap(), before);
}

#[tokio::test]
async fn a_token_is_good_for_the_call_it_was_signed_for() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let (path, body) = ("/v1/accounts?limit=5", r#"{"name": "x"}"#);
    let uri = format!("http://{HOST}{path}");
    let call = async |audience: &str, method: &str, uri: &str, signed_body: &str| {
        let binding = RequestBinding::of(method, uri, signed_body.as_bytes());
        let to = BoundTo { audience, request: &binding };
        let token = admin.bound_authorization(&*world.clock, &*world.random, &to).unwrap();
        let mut request = world.signed(&admin, "GET", path, body);
        request.headers_mut().insert("authorization", token.parse().unwrap());
        answer(world.internal(), request).await.status
    };
    assert_eq!(call(INSTANCE, "GET", &uri, body).await, StatusCode::OK);
    for (audience, method, uri, signed_body) in [
        ("another-instance", "GET", uri.as_str(), body),
        (INSTANCE, "POST", &uri, body),
        (INSTANCE, "get", &uri, body),
        (INSTANCE, "GET", &uri.replace("limit=5", "limit=6"), body),
        (INSTANCE, "GET", &uri.replace("?limit=5", ""), body),
        (INSTANCE, "GET", &uri.replace("http:", "https:"), body),
        (INSTANCE, "GET", &uri.replace("localhost", "127.0.0.1"), body),
        (INSTANCE, "GET", &uri.replace(":8081", ""), body),
        (INSTANCE, "GET", path, body),
        (INSTANCE, "GET", &uri, ""),
        (INSTANCE, "GET", &uri, r#"{"name":"x"}"#),
    ] {
        let status = call(audience, method, uri, signed_body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{audience} {method} {uri} {signed_body}");
    }
}

#[tokio::test]
async fn a_token_without_a_binding_is_refused() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let mut request = world.signed(&admin, "GET", routes::ACCOUNTS, "");
    let free = world.authorization(&admin).parse().unwrap();
    request.headers_mut().insert("authorization", free);
    assert_eq!(answer(world.internal(), request).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_call_is_good_once() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let request = world.signed(&admin, "GET", routes::ACCOUNTS, "");
    let again = Request::from_parts(request.clone_head(), Body::empty());
    assert_eq!(answer(world.internal(), request).await.status, StatusCode::OK);
    assert_eq!(answer(world.internal(), again).await.status, StatusCode::UNAUTHORIZED);
}

trait CloneHead {
    fn clone_head(&self) -> http::request::Parts;
}

impl CloneHead for Request<Body> {
    fn clone_head(&self) -> http::request::Parts {
        let mut copy = Request::builder().method(self.method()).uri(self.uri());
        copy.headers_mut().unwrap().clone_from(self.headers());
        copy.body(()).unwrap().into_parts().0
    }
}

#[tokio::test]
async fn an_administrator_who_is_one_no_more_is_out_on_the_next_call() {
    let world = World::new();
    world.account("root", &["admin"]).await;
    let second = world.account("second", &["admin"]).await;
    let status = async || world.call(&second, "GET", routes::ACCOUNTS, "").await.status;
    assert_eq!(status().await, StatusCode::OK);
    let act = world.act();
    let set = async |change| {
        world.store.change_account(&act, second.account(), change).await.unwrap();
    };
    set(AccountChange::SetDisabled(true)).await;
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
    set(AccountChange::SetDisabled(false)).await;
    assert_eq!(status().await, StatusCode::OK);
    set(AccountChange::SetGroups(vec![])).await;
    assert_eq!(status().await, StatusCode::FORBIDDEN);
    assert!(world.store.delete_account(&act, second.account()).await.unwrap());
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_instance_is_known_without_a_credential() {
    let world = World::new();
    let request = Request::get(routes::INSTANCE).header("host", HOST).body(Body::empty()).unwrap();
    let answer = answer(world.internal(), request).await;
    assert_eq!(answer.status, StatusCode::OK);
    let instance: Instance = answer.json();
    assert_eq!(instance.instance_id, INSTANCE);
    assert_eq!(instance.version, env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn pages_of_other_sites_and_other_names_reach_nothing() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    for path in [routes::INSTANCE, routes::ACCOUNTS, "/health/live", "/health/ready", "/nothing"] {
        for (name, value, code) in [
            ("host", "rebound.example:8081", "host-not-allowed"),
            ("host", "localhost.rebound.example", "host-not-allowed"),
            ("origin", "https://evil.example", "other-site"),
            ("origin", "null", "other-site"),
            ("sec-fetch-site", "cross-site", "other-site"),
            ("sec-fetch-site", "same-site", "other-site"),
        ] {
            let mut request = world.signed(&admin, "GET", path, "");
            request.headers_mut().insert(name, HeaderValue::from_static(value));
            let answer = answer(world.internal(), request).await;
            assert_eq!(answer.problem(), code, "{path} {name}: {value}");
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
        }
    }
}

#[tokio::test]
async fn a_listener_with_tls_and_a_name_of_its_own_is_asked_by_both() {
    let settings = Settings {
        internal_hosts: AllowedHosts::loopback_and(["admin.example".into()]),
        internal_scheme: Scheme::Https,
        ..Settings::new(INSTANCE)
    };
    let world = World::with(settings);
    let admin = world.account("root", &["admin"]).await;
    for (uri, expected) in [
        ("https://admin.example/v1/audit", StatusCode::OK),
        ("https://Admin.Example/v1/audit", StatusCode::UNAUTHORIZED),
        ("http://admin.example/v1/audit", StatusCode::UNAUTHORIZED),
    ] {
        let binding = RequestBinding::of("GET", uri, b"");
        let to = BoundTo { audience: INSTANCE, request: &binding };
        let token = admin.bound_authorization(&*world.clock, &*world.random, &to).unwrap();
        let request = Request::get("/v1/audit").header("host", "admin.example");
        let request = request.header("authorization", token).body(Body::empty()).unwrap();
        assert_eq!(answer(world.internal(), request).await.status, expected, "{uri}");
    }
}

#[tokio::test]
async fn a_body_has_a_largest_size() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let largest = world.call(&admin, "POST", routes::ACCOUNTS, &" ".repeat(MAX_BODY_BYTES)).await;
    assert_eq!(largest.problem(), "invalid-request");
    let body = " ".repeat(MAX_BODY_BYTES + 1);
    let answer = world.call(&admin, "POST", routes::ACCOUNTS, &body).await;
    assert_eq!(answer.problem(), "body-too-large");
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_do_not_keep_others_out() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let listener = world.internal();
    let slowly = || {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let (mut head, _) = world.signed(&admin, "POST", routes::ACCOUNTS, "{}").into_parts();
        head.headers.insert("authorization", "JWT a.b.c".parse().unwrap());
        tokio::spawn(answer(listener.clone(), Request::from_parts(head, body)))
    };
    let senders: Vec<_> = (0..Limits::INTERNAL.concurrent_requests).map(|_| slowly()).collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let call = world.signed(&admin, "GET", routes::ACCOUNTS, "");
    let called = answer(listener.clone(), call).await;
    assert_eq!(called.status, StatusCode::OK, "{called:?}");
    for sender in senders {
        assert_eq!(sender.await.unwrap().problem(), "too-slow");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_the_servers_failure() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let slow = stream::pending::<Result<Bytes, std::io::Error>>();
    let (head, _) = world.signed(&admin, "POST", routes::ACCOUNTS, "{}").into_parts();
    let started = tokio::time::Instant::now();
    let request = Request::from_parts(head, Body::from_stream(slow));
    assert_eq!(answer(world.internal(), request).await.problem(), "too-slow");
    assert_eq!(started.elapsed().as_secs(), Duration::from_secs(10).as_secs());
    let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("reset"))]);
    let (head, _) = world.signed(&admin, "POST", routes::ACCOUNTS, "{}").into_parts();
    let request = Request::from_parts(head, Body::from_stream(broken));
    assert_eq!(answer(world.internal(), request).await.problem(), "invalid-request");
}

#[tokio::test]
async fn an_outage_is_503_here_too() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    world.directory.is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = world.call(&admin, "GET", routes::ACCOUNTS, "").await;
    assert_eq!(answer.problem(), "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    world.directory.panics.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(world.call(&admin, "GET", routes::ACCOUNTS, "").await.problem(), "internal");
}

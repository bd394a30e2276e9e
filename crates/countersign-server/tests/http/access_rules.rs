//! Rules on what gateways let through, at each endpoint that they ask.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use axum::body::Body;
use countersign_server::Settings;
use http::Request;
use http::request::Builder;

use crate::support::{Answer, INSTANCE, World, answer};

const RULES: &str = r#"
[[rules]]
path = "/health"
allow = "public"

[[rules]]
host = "books.example"
path = "/books/**"
methods = ["GET"]
allow = "authenticated"

[[rules]]
host = "books.example"
path = "/books/**"
allow = ["editors"]
"#;

fn world() -> World {
    let rules = Arc::new(toml::from_str(RULES).unwrap());
    World::with(Settings { rules: Some(rules), ..Settings::new(INSTANCE) })
}

/// A question about a request, as each gateway asks it.
fn questions(method: &str, host: &str, target: &str) -> [Builder; 3] {
    let said = |path: &str, [method_name, host_name, uri_name]: [&str; 3]| {
        Request::get(path)
            .header("host", "auth.example")
            .header(method_name, method)
            .header(host_name, host)
            .header(uri_name, target)
    };
    [
        said("/forward-auth?x=y", ["x-forwarded-method", "x-forwarded-host", "x-forwarded-uri"]),
        said("/auth-request", ["x-original-method", "x-original-host", "x-original-uri"]),
        Request::builder().method(method).uri(format!("/ext-authz{target}")).header("host", host),
    ]
}

async fn asked(world: &World, question: Builder, authorization: Option<&str>) -> Answer {
    let question = match authorization {
        Some(value) => question.header("authorization", value),
        None => question,
    };
    answer(world.public(), question.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_endpoint_decides_alike() {
    let world = world();
    let editor = world.account("editor", &["editors"]).await;
    let reader = world.account("reader", &[]).await;
    for (method, host, target, to_nobody, to_reader, to_editor) in [
        ("GET", "books.example", "/health", 200, 200, 200),
        ("GET", "other.example:8443", "/health?deep=1", 200, 200, 200),
        ("GET", "Books.example", "/books/7?page=2", 401, 200, 200),
        ("PUT", "books.example", "/books/7", 401, 403, 200),
        ("GET", "other.example", "/books/7", 403, 403, 403),
        ("GET", "books.example", "/", 403, 403, 403),
        ("GET", "books.example", "/health/../books/7", 403, 403, 403),
        ("GET", "books.example", "/books/%2e%2e/health", 403, 403, 403),
        ("GET", "books.example", "/books%2F7", 403, 403, 403),
        ("GET", "books.example", "//books/7", 403, 403, 403),
    ] {
        for (caller, expected) in
            [(None, to_nobody), (Some(&reader), to_reader), (Some(&editor), to_editor)]
        {
            for question in questions(method, host, target) {
                let authorization = caller.map(|signer| world.authorization(signer));
                let what = format!("{method} {host} {target}: {question:?}");
                let answer = asked(&world, question, authorization.as_deref()).await;
                assert_eq!(answer.status, expected, "{what}");
                assert_eq!(answer.body, "");
                assert_eq!(answer.header("cache-control"), "no-store");
                let named =
                    if expected == 200 && target != "/health" && !target.starts_with("/health?") {
                        caller.map_or("", |signer| signer.account().as_str())
                    } else {
                        ""
                    };
                assert_eq!(answer.header("x-auth-account"), named, "{what}");
            }
        }
    }
}

/// What is decided without a credential spends none.
#[tokio::test]
async fn a_token_is_spent_only_where_it_is_needed() {
    let world = world();
    let editor = world.account("editor", &["editors"]).await;
    let header = world.authorization(&editor);
    for (target, status) in
        [("/health", 200), ("/nothing", 403), ("/books/1", 200), ("/books/1", 401)]
    {
        let [question, ..] = questions("GET", "books.example", target);
        assert_eq!(asked(&world, question, Some(&header)).await.status, status, "{target}");
    }
    world.directory.is_down.store(true, SeqCst);
    let [question, ..] = questions("GET", "books.example", "/health");
    assert_eq!(asked(&world, question, None).await.status, 200, "nobody is asked");
}

/// A header that the gateway does not set may be the client's.
#[tokio::test]
async fn what_the_gateway_does_not_say_is_refused() {
    let world = world();
    let forwarded = |name: &str| {
        let said = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-host", "books.example"),
            ("x-forwarded-uri", "/health"),
        ];
        let others = said.into_iter().filter(|(other, _)| *other != name);
        others.fold(Request::get("/forward-auth"), |question, (name, value)| {
            question.header(name, value)
        })
    };
    assert_eq!(asked(&world, forwarded("none"), None).await.status, 200);
    for name in ["x-forwarded-method", "x-forwarded-host", "x-forwarded-uri"] {
        assert_eq!(asked(&world, forwarded(name), None).await.status, 403, "{name}");
        let twice = forwarded("none").header(name, "/health");
        assert_eq!(asked(&world, twice, None).await.status, 403, "{name} twice");
    }
    // The other endpoints' headers say nothing here.
    let [_, original, _] = questions("GET", "books.example", "/health");
    assert_eq!(asked(&world, original.uri("/forward-auth"), None).await.status, 403);
    // As Envoy would ask, whose clients could say `X-Forwarded-Uri`.
    let appended = forwarded("none").uri("/forward-auth/health");
    assert_eq!(asked(&world, appended, None).await.status, 403);
    let further = Request::get("/auth-request/health");
    assert_eq!(asked(&world, further, None).await.status, 404);
}

#[tokio::test]
async fn without_rules_every_endpoint_asks_for_a_credential_alone() {
    let world = World::new();
    let worker = world.account("worker", &[]).await;
    for path in
        ["/forward-auth", "/forward-auth/a/../b", "/auth-request", "/ext-authz", "/ext-authz/%2e"]
    {
        let header = world.authorization(&worker);
        let answer = asked(&world, Request::post(path), Some(&header)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-auth-account")),
            (200, "worker"),
            "{path}"
        );
        assert_eq!(asked(&world, Request::post(path), None).await.status, 401, "{path}");
    }
}

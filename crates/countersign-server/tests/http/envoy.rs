//! Envoy's question over gRPC, answered as the endpoints are.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use axum::body::Body;
use countersign_core::RequestSigner;
use countersign_server::public::ENVOY_CHECK;
use countersign_server::{RateLimiters, Settings, TrustedProxies};
use envoy_types::ext_authz::v3::pb::{
    CheckRequest, CheckResponse, HeaderAppendAction, HeaderValueOption, HttpResponse,
};
use envoy_types::pb::envoy::config::core::v3 as config;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request as Asked,
};
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, authorization_client::AuthorizationClient,
};
use http::Request;
use tonic::Code;
use tower::ServiceExt as _;

use crate::rate_limits::limiter;
use crate::support::{INSTANCE, World, from_peer};

const PEER: &str = "127.0.0.1:50000";

/// What Envoy says of a request with these headers.
fn about(method: &str, host: &str, path: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let pseudo = [(":method", method), (":path", path), (":authority", host)];
    let headers = pseudo.iter().chain(headers);
    HttpRequest {
        method: method.to_owned(),
        host: host.to_owned(),
        path: path.to_owned(),
        headers: headers.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..HttpRequest::default()
    }
}

fn with(headers: &[(&str, &str)]) -> HttpRequest {
    about("GET", "books.example", "/books/7?page=2", headers)
}

fn question(http: HttpRequest) -> CheckRequest {
    let client = config::SocketAddress {
        address: "198.51.100.7".to_owned(),
        ..config::SocketAddress::default()
    };
    let address = config::address::Address::SocketAddress(client);
    let address = Some(config::Address { address: Some(address) });
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer { address, ..Peer::default() }),
            request: Some(Asked { http: Some(http), ..Asked::default() }),
            ..AttributeContext::default()
        }),
    }
}

async fn check(world: &World, question: CheckRequest) -> Result<CheckResponse, tonic::Status> {
    let router = from_peer(world.service.envoy(), PEER);
    AuthorizationClient::new(router).check(question).await.map(tonic::Response::into_inner)
}

async fn asked(world: &World, http: HttpRequest) -> CheckResponse {
    check(world, question(http)).await.unwrap()
}

/// What becomes of the request's headers; the others of a name go where there are any.
fn set(answer: &CheckResponse) -> HashMap<&str, &str> {
    let Some(HttpResponse::OkResponse(ok)) = &answer.http_response else {
        panic!("not allowed: {answer:?}")
    };
    let names = ok.headers.len();
    let all = ok.headers.iter();
    let set: HashMap<_, _> = all
        .map(|option| {
            assert_eq!(option.append_action(), HeaderAppendAction::OverwriteIfExistsOrAdd);
            said(option)
        })
        .collect();
    assert_eq!(set.len(), names, "each once");
    set
}

/// The status and what the caller is told.
fn refused(answer: &CheckResponse) -> (i32, Vec<(&str, &str)>) {
    let Some(HttpResponse::DeniedResponse(denied)) = &answer.http_response else {
        panic!("allowed: {answer:?}")
    };
    assert_ne!(answer.status.as_ref().unwrap().code, i32::from(Code::Ok));
    assert_eq!(denied.body, "");
    let told = denied.headers.iter().map(said);
    let but_id = told.filter(|(name, _)| *name != "x-request-id").collect();
    (denied.status.as_ref().unwrap().code, but_id)
}

fn said(option: &HeaderValueOption) -> (&str, &str) {
    let header = option.header.as_ref().unwrap();
    (&header.key, &header.value)
}

async fn caller(world: &World) -> RequestSigner {
    world.account("reader", &["readers"]).await
}

#[tokio::test]
async fn an_allowed_caller_is_named_to_the_service_once() {
    let world = World::new();
    let authorization = world.authorization(&caller(&world).await);
    let http = with(&[
        ("authorization", &authorization),
        ("x-auth-account", "root"),
        ("x_auth_account", "root"),
        ("x-other_header", "kept"),
    ]);
    let answer = asked(&world, http.clone()).await;
    assert_eq!(answer.status.as_ref().unwrap().code, i32::from(Code::Ok));
    let set = set(&answer);
    assert_eq!(set["x-auth-account"], "reader");
    assert_eq!(set["x-auth-groups"], "readers");
    assert_eq!(set["x-auth-method"], "signed-request");
    assert_eq!(set["x-auth-identifier"], "");
    assert_eq!(set.len(), 6, "{set:?}");
    let Some(HttpResponse::OkResponse(ok)) = &answer.http_response else { unreachable!() };
    assert_eq!(ok.headers_to_remove, ["x_auth_account"]);

    let answer = asked(&world, http).await;
    let told = vec![("www-authenticate", "JWT"), ("cache-control", "no-store")];
    assert_eq!(refused(&answer), (401, told));
}

#[tokio::test]
async fn the_last_use_is_from_where_a_trusted_envoy_says() {
    for (trusted, from) in [(true, "198.51.100.7"), (false, "127.0.0.1")] {
        let networks = if trusted { vec!["127.0.0.0/8".parse().unwrap()] } else { vec![] };
        let trusted_proxies = TrustedProxies::new(networks);
        let world = World::with(Settings { trusted_proxies, ..Settings::new(INSTANCE) });
        let authorization = world.authorization(&caller(&world).await);
        set(&asked(&world, with(&[("authorization", &authorization)])).await);
        assert_eq!(world.directory.uses.lock().unwrap()[0].from.unwrap().to_string(), from);
    }
}

#[tokio::test]
async fn a_client_that_asks_too_often_hears_when_to_ask_again() {
    let (per_address, _) = limiter(1);
    let rate_limits = RateLimiters { per_address, ..RateLimiters::default() };
    let world = World::with(Settings { rate_limits, ..Settings::new(INSTANCE) });
    assert_eq!(refused(&asked(&world, with(&[])).await).0, 401);
    let limited = asked(&world, with(&[])).await;
    assert_eq!(limited.status.as_ref().unwrap().code, i32::from(Code::ResourceExhausted));
    let told = vec![("cache-control", "no-store"), ("retry-after", "30")];
    assert_eq!(refused(&limited), (429, told));
}

#[tokio::test]
async fn two_credentials_are_none_however_they_are_sent() {
    let world = World::new();
    let signer = caller(&world).await;
    let authorization = || world.authorization(&signer);
    let header = |value: String, raw: bool| config::HeaderValue {
        key: "authorization".to_owned(),
        raw_value: if raw { value.clone().into_bytes() } else { Vec::new() },
        value: if raw { String::new() } else { value },
    };
    let lines = |headers| HttpRequest {
        header_map: Some(config::HeaderMap { headers }),
        ..with(&[("authorization", "not looked at")])
    };
    let joined = format!("{}, {}", authorization(), authorization());
    for http in [
        with(&[]),
        with(&[("authorization", &joined)]),
        lines(vec![header(authorization(), true), header(authorization(), true)]),
        lines(vec![header(authorization(), false), header(authorization(), true)]),
    ] {
        assert_eq!(refused(&asked(&world, http).await).0, 401);
    }
    for raw in [true, false] {
        set(&asked(&world, lines(vec![header(authorization(), raw)])).await);
    }
}

#[tokio::test]
async fn rules_are_decided_on_what_envoy_says() {
    let rules = "[[rules]]\nhost = 'books.example'\npath = '/open'\nmethods = ['GET']\nallow = 'public'\n\
                 [[rules]]\npath = '/books/**'\nallow = ['readers']\n\
                 [[rules]]\npath = '/closed'\nallow = ['editors']";
    let rules = Some(Arc::new(toml::from_str(rules).unwrap()));
    let world = World::with(Settings { rules, ..Settings::new(INSTANCE) });
    let signer = caller(&world).await;
    for (method, host, path, status) in [
        ("GET", "books.example:8443", "/open?x", 200),
        ("POST", "books.example", "/open", 403),
        ("GET", "other.example", "/open", 403),
        ("GET", "books.example", "/books/7?x=/../", 200),
        ("GET", "books.example", "/closed", 403),
        ("GET", "books.example", "/books/../open", 403),
        ("GET", "books.example", "/books%2f7", 403),
        ("G T", "books.example", "/open", 403),
        ("GET", "b@oks", "/open", 403),
        ("GET", "books.example", "", 403),
    ] {
        let authorization = world.authorization(&signer);
        let lies = [
            ("authorization", authorization.as_str()),
            ("x-forwarded-uri", "/open"),
            ("x-original-uri", "/open"),
        ];
        let answer = asked(&world, about(method, host, path, &lies)).await;
        match status {
            200 => drop(set(&answer)),
            status => assert_eq!(refused(&answer).0, status, "{method} {host} {path}"),
        }
    }
    let nobody = asked(&world, about("GET", "books.example", "/open", &[("x-auth-account", "x")]));
    assert_eq!(set(&nobody.await)["x-auth-account"], "");
}

#[tokio::test]
async fn an_outage_lets_nobody_pass() {
    let world = World::new();
    let authorization = world.authorization(&caller(&world).await);
    world.directory.is_down.store(true, SeqCst);
    let answer = asked(&world, with(&[("authorization", &authorization)])).await;
    let told = vec![("cache-control", "no-store"), ("retry-after", "1")];
    assert_eq!(refused(&answer), (503, told));
}

/// None of these is a request that a caller makes: Envoy is configured for something else.
#[tokio::test]
async fn what_is_no_question_about_a_request_is_an_error() {
    let world = World::new();
    let error = check(&world, CheckRequest::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);

    let long = HttpRequest { body: "x".repeat(2 * 1024 * 1024), ..with(&[]) };
    let error = check(&world, question(long)).await.unwrap_err();
    assert_eq!(error.code(), Code::OutOfRange);

    let garbage = Request::post(ENVOY_CHECK)
        .header("content-type", "application/grpc")
        .body(Body::from(&b"\0\0\0\0\x05\xff\xff\xff\xff\xff"[..]))
        .unwrap();
    let answer = from_peer(world.service.envoy(), PEER).oneshot(garbage).await.unwrap();
    assert_ne!(answer.headers()["grpc-status"], "0");
    let elsewhere = Request::post("/").body(Body::empty()).unwrap();
    let answer = from_peer(world.service.envoy(), PEER).oneshot(elsewhere).await.unwrap();
    assert_eq!(answer.status(), 404);
}

//! How often one may ask, and what those hear who ask more often.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use countersign_core::ports::{RateLimiter, ReplayGuard as _};
use countersign_core::{AccountName, KeyKind, PrivateKey, RequestSigner};
use countersign_server::{METRICS, RateLimiters, Settings, TokenSettings};
use countersign_store::rate_limits::clock::FakeRelativeClock;
use countersign_store::rate_limits::{MemoryRateLimiter, RateLimit};
use http::{Request, StatusCode};
use serde_json::json;

use crate::support::tokens::{IDENTIFIER, On, TokenWorld};
use crate::support::{Answer, HOST, INSTANCE, World, answer, from_peer, public_from};

/// Another client than the usual one.
const OTHER_PEER: &str = "198.51.100.1:4711";

/// A limiter that lets so many pass, and from then on one each half minute.
pub(crate) fn limiter(burst: u32) -> (Option<Arc<dyn RateLimiter>>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let number = |number| NonZeroU32::new(number).unwrap();
    let limit = RateLimit::new(number(2), Duration::from_mins(1), number(burst)).unwrap();
    (Some(Arc::new(MemoryRateLimiter::new(limit, clock.clone()))), clock)
}

fn settings(rate_limits: RateLimiters) -> Settings {
    Settings { rate_limits, ..Settings::new(INSTANCE) }
}

fn per_address(burst: u32) -> (Settings, FakeRelativeClock) {
    let (per_address, clock) = limiter(burst);
    (settings(RateLimiters { per_address, ..RateLimiters::default() }), clock)
}

fn per_credential(burst: u32) -> (Settings, FakeRelativeClock) {
    let (per_credential, clock) = limiter(burst);
    (settings(RateLimiters { per_credential, ..RateLimiters::default() }), clock)
}

#[track_caller]
fn assert_limited(answer: &Answer, seconds: &str) {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    assert_eq!(answer.header("retry-after"), seconds);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.headers.get("www-authenticate"), None);
}

fn spent(world: &World) -> usize {
    world.guard.live_uses().unwrap()
}

async fn ask(router: Router, authorization: &str) -> Answer {
    let request = Request::get("/forward-auth").header("authorization", authorization);
    answer(router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn an_address_is_asked_before_the_credential_is_looked_at() {
    let (settings, clock) = per_address(2);
    let world = World::with(settings);
    let signer = world.account("worker", &[]).await;
    for _ in 0..2 {
        assert_eq!(world.ask("JWT nonsense").await.status, StatusCode::UNAUTHORIZED);
    }
    let good = world.authorization(&signer);
    let limited = world.ask(&good).await;
    assert_limited(&limited, "30");
    assert_eq!(limited.body, "");
    assert_eq!(limited.header("x-auth-account"), "", "a gateway that copies gets nobody");
    assert_eq!(spent(&world), 0);

    let elsewhere = ask(public_from(&world.service, OTHER_PEER), &good).await;
    assert_eq!(elsewhere.status, StatusCode::OK, "each address is counted apart");
    clock.advance(Duration::from_millis(29_500));
    assert_limited(&world.ask("JWT nonsense").await, "1");
    clock.advance(Duration::from_millis(500));
    assert_eq!(world.ask("JWT nonsense").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_network_of_64_bits_is_one_client() {
    let (settings, _) = per_address(1);
    let world = World::with(settings);
    let from = |peer| ask(public_from(&world.service, peer), "JWT nonsense");
    assert_eq!(from("[2001:db8::1]:1").await.status, StatusCode::UNAUTHORIZED);
    assert_limited(&from("[2001:db8::ffff:2]:2").await, "30");
    assert_eq!(from("[2001:db8:0:1::1]:1").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn whom_a_trusted_gateway_names_is_counted_and_not_the_gateway() {
    let (settings, _) = per_address(1);
    let world = World::with(settings);
    let gateway = public_from(&world.service, "127.0.0.1:4711");
    let of = |client: &str| {
        let request = Request::get("/forward-auth").header("x-forwarded-for", client);
        answer(gateway.clone(), request.body(Body::empty()).unwrap())
    };
    assert_eq!(of("192.0.2.1").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(of("192.0.2.2").await.status, StatusCode::UNAUTHORIZED);
    assert_limited(&of("192.0.2.1").await, "30");
}

#[tokio::test]
async fn a_token_too_many_is_not_spent_and_good_a_moment_later() {
    let (settings, clock) = per_credential(1);
    let world = World::with(settings);
    let signer = world.account("worker", &[]).await;
    assert_eq!(world.ask(&world.authorization(&signer)).await.status, StatusCode::OK);
    let token = world.authorization(&signer);
    let limited = world.ask(&token).await;
    assert_limited(&limited, "30");
    assert_eq!(spent(&world), 1);
    clock.advance(Duration::from_secs(30));
    assert_eq!(world.ask(&token).await.status, StatusCode::OK);
    assert_eq!(spent(&world), 2);
}

#[tokio::test]
async fn nobody_uses_up_another_s_limit_by_naming_its_key() {
    let (settings, _) = per_credential(1);
    let world = World::with(settings);
    let signer = world.account("worker", &[]).await;
    let neighbour = world.account("neighbour", &[]).await;
    let stranger = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let impostor = RequestSigner::new(AccountName::new("worker").unwrap(), stranger);
    for _ in 0..3 {
        let refused = world.ask(&world.authorization(&impostor)).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.ask(&world.authorization(&signer)).await.status, StatusCode::OK);
    assert_limited(&world.ask(&world.authorization(&signer)).await, "30");
    assert_eq!(world.ask(&world.authorization(&neighbour)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_reason_is_counted_and_shown_to_operators() {
    let (settings, _) = per_credential(1);
    let world = World::with(settings);
    let signer = world.account("worker", &[]).await;
    world.ask(&world.authorization(&signer)).await;
    world.ask(&world.authorization(&signer)).await;
    let request = Request::get(METRICS).header("host", HOST).body(Body::empty()).unwrap();
    let metrics = answer(world.internal(), request).await.body;
    for line in [
        r#"countersign_judgements_total{method="signed-request",outcome="limited"} 1"#,
        r#"countersign_refusals_total{method="signed-request",reason="credential_over_limit"} 1"#,
    ] {
        assert!(metrics.lines().any(|exported| exported == line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn probes_metrics_and_keys_are_not_limited() {
    let (settings, _) = per_address(1);
    let world = TokenWorld::with(On::Sqlite, settings, TokenSettings::default()).await;
    for _ in 0..3 {
        for path in ["/", "/health", "/health/live", "/jwks", "/.well-known/jwks.json"] {
            assert_eq!(world.get(path, &[]).await.status, StatusCode::OK, "{path}");
        }
        let request = Request::get(METRICS).header("host", HOST).body(Body::empty()).unwrap();
        assert_eq!(answer(world.internal(), request).await.status, StatusCode::OK);
    }
    assert_eq!(world.get("/forward-auth", &[]).await.status, StatusCode::UNAUTHORIZED);
    assert_limited(&world.get("/forward-auth", &[]).await, "30");
}

#[tokio::test]
async fn the_key_to_token_service_counts_addresses_before_it_reads_bodies() {
    let (settings, clock) = per_address(1);
    let world = TokenWorld::with(On::Sqlite, settings, TokenSettings::default()).await;
    for path in ["/authenticate", "/refresh", "/validate"] {
        assert_eq!(world.post(path, "no JSON").await.status, StatusCode::BAD_REQUEST);
        let limited = world.post(path, "no JSON").await;
        assert_limited(&limited, "30");
        assert_eq!(limited.body, "{}", "as the original's refusals");
        clock.advance(Duration::from_secs(30));
    }
    for method in ["GET", "HEAD"] {
        let request = || Request::builder().method(method).uri("/validate_request");
        let validated = || answer(world.public(), request().body(Body::empty()).unwrap());
        assert_eq!(validated().await.status, StatusCode::FORBIDDEN, "{method}");
        assert_limited(&validated().await, "30");
        clock.advance(Duration::from_secs(30));
    }
    assert_eq!(world.register("a key", IDENTIFIER).await.status, StatusCode::CREATED);
    assert_limited(&world.register("a key", IDENTIFIER).await, "30");
}

#[tokio::test]
async fn api_keys_and_access_tokens_are_counted_when_they_are_good() {
    let (settings, clock) = per_credential(1);
    let world = TokenWorld::with(On::Sqlite, settings, TokenSettings::default()).await;
    let other = "11111111-1111-4111-8111-111111111111";
    for _ in 0..3 {
        let refused = world.authenticate("no key", IDENTIFIER).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    let (jwt, refresh_token) = world.session("a key", IDENTIFIER).await;
    assert_limited(&world.authenticate("a key", IDENTIFIER).await, "30");
    assert_limited(&world.refresh(&refresh_token, IDENTIFIER).await, "30");
    // An account's access tokens are counted together, apart from its keys.
    assert_eq!(world.validate(&jwt).await.status, StatusCode::OK);
    assert_limited(&world.validate(&jwt).await, "30");
    assert_limited(&world.validate_request(&jwt).await, "30");
    let bearer = format!("Bearer {jwt}");
    assert_limited(&world.get("/forward-auth", &[&bearer]).await, "30");
    let (jwt_of_other, _) = world.session("another key", other).await;
    assert_eq!(world.validate(&jwt_of_other).await.status, StatusCode::OK);
    clock.advance(Duration::from_secs(30));
    assert_eq!(world.refresh(&refresh_token, IDENTIFIER).await.status, StatusCode::OK);
    assert_eq!(world.get("/forward-auth", &[&bearer]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn operators_are_limited_by_address_alone_and_not_on_the_host_itself() {
    let (per_address, _) = limiter(1);
    let (per_credential, _) = limiter(1);
    let world = World::with(settings(RateLimiters { per_address, per_credential }));
    let admin = world.account("root", &["admin"]).await;
    let list = || world.signed(&admin, "GET", "/v1/accounts", "");
    assert_eq!(answer(world.internal(), list()).await.status, StatusCode::OK);
    let limited = answer(world.internal(), list()).await;
    assert_limited(&limited, "30");
    assert_eq!(limited.problem(), "too-many-calls");
    for peer in ["127.0.0.1:1", "[::1]:1"] {
        for _ in 0..3 {
            let local = from_peer(world.service.internal(), peer);
            assert_eq!(answer(local, list()).await.status, StatusCode::OK);
        }
    }
    let body = json!({});
    let unsigned = Request::post("/v1/accounts").header("host", HOST);
    let unsigned = unsigned.body(Body::from(body.to_string())).unwrap();
    assert_limited(&answer(world.internal(), unsigned).await, "30");
}

//! The gateway endpoint, as each of the nine points of its contract says.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::support::{Answer, INSTANCE, World, answer, public_from};
use axum::body::Body;
use countersign_core::ports::{AccountChange, AdminStore as _};
use countersign_core::{
    AccountName, Algorithm, BoundTo, GroupName, KeyKind, PrivateKey, RequestBinding, RequestSigner,
    SignedRequestPolicy,
};
use countersign_server::layers::Limits;
use countersign_server::{IdentityHeaders, Settings};
use http::{HeaderName, Method, Request, StatusCode};

pub(crate) const IDENTITY: [&str; 5] =
    ["x-auth-account", "x-auth-account-id", "x-auth-groups", "x-auth-method", "x-auth-credential"];

fn identity(answer: &Answer) -> [&str; 5] {
    IDENTITY.map(|name| answer.header(name))
}

#[tokio::test]
async fn an_allowed_caller_is_named_to_the_upstream() {
    let world = World::new();
    let signer = world.account("billing-worker-7", &["ops", "billing"]).await;
    let answer = world.ask(&world.authorization(&signer)).await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, "");
    assert_eq!(answer.header("content-length"), "0");
    assert_eq!(answer.header("cache-control"), "no-store");
    let name = AccountName::new("billing-worker-7").unwrap();
    let account = world.store.account(&name).await.unwrap().unwrap();
    let key = &world.store.public_keys(&name).await.unwrap().unwrap()[0].key;
    assert_eq!(
        identity(&answer),
        [
            "billing-worker-7",
            &account.id.to_string(),
            "billing,ops",
            "signed-request",
            &key.fingerprints().openssh(),
        ]
    );
}

#[tokio::test]
async fn an_account_without_groups_has_an_empty_header_not_none() {
    let world = World::new();
    let signer = world.account("grü%", &[]).await;
    let answer = world.ask(&world.authorization(&signer)).await;
    assert_eq!(answer.header("x-auth-groups"), "");
    assert_eq!(answer.header("x-auth-account"), "gr%C3%BC%25");
}

/// Every credential that is no good, each for another reason.
async fn bad_credentials(world: &World) -> Vec<(&'static str, Vec<String>)> {
    let signer = world.account("worker", &[]).await;
    let good = || world.authorization(&signer);
    let token = |header: String| header.trim_start_matches("JWT ").to_owned();

    let stranger = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let unknown = RequestSigner::new(AccountName::new("nobody").unwrap(), stranger.clone());
    let other_key = RequestSigner::new(AccountName::new("worker").unwrap(), stranger);
    let disabled = world.account("disabled", &[]).await;
    let change = AccountChange::SetDisabled(true);
    world.store.change_account(&world.act(), disabled.account(), change).await.unwrap();
    let revoked = world.account("revoked", &[]).await;
    let keys = world.store.public_keys(revoked.account()).await.unwrap().unwrap();
    let fingerprint = keys[0].key.fingerprints().openssh();
    world.store.revoke_public_key(&world.act(), revoked.account(), &fingerprint).await.unwrap();
    let spent = good();
    assert_eq!(world.ask(&spent).await.status, StatusCode::OK);
    world.clock.advance(-21);
    let old = good();
    world.clock.advance(42);
    let future = good();
    world.clock.advance(-21);
    let binding = RequestBinding::of("GET", "http://localhost/forward-auth", b"");
    let to = BoundTo { audience: INSTANCE, request: &binding };
    let bound = signer.bound_authorization(&*world.clock, &*world.random, &to).unwrap();

    vec![
        ("header_missing", vec![]),
        ("header_repeated", vec![good(), good()]),
        ("header_malformed", vec![format!("{}, {}", good(), good())]),
        ("header_malformed", vec![format!("{}, Bearer x", good())]),
        ("header_malformed", vec!["JWT".into()]),
        ("scheme_other", vec![format!("Bearer {}", token(good()))]),
        ("scheme_other", vec!["Basic d29ya2VyOng=".into()]),
        ("scheme_other", vec![String::new()]),
        ("token_malformed", vec!["JWT a.b.c".into()]),
        ("token_too_long", vec![format!("JWT {}", "a".repeat(100_000))]),
        ("account_unknown", vec![world.authorization(&unknown)]),
        ("key_unknown", vec![world.authorization(&other_key)]),
        ("account_disabled", vec![world.authorization(&disabled)]),
        ("key_revoked", vec![world.authorization(&revoked)]),
        ("replayed", vec![spent]),
        ("outside_window", vec![old]),
        ("outside_window", vec![future]),
        ("audience_other", vec![bound]),
    ]
}

#[tokio::test]
async fn every_refusal_is_the_same_answer() {
    let world = World::new();
    let mut first: Option<Answer> = None;
    for (reason, authorizations) in bad_credentials(&world).await {
        let mut request = Request::get("/forward-auth");
        for authorization in &authorizations {
            request = request.header("authorization", authorization);
        }
        let refused = answer(world.public(), request.body(Body::empty()).unwrap()).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{reason}");
        assert_eq!(refused.header("www-authenticate"), "JWT");
        assert_eq!(refused.header("cache-control"), "no-store");
        assert_eq!(refused.header("content-length"), "0");
        assert_eq!(identity(&refused), [""; 5]);
        let refused = refused.without_request_id();
        assert_eq!(first.get_or_insert_with(|| refused.clone()), &refused, "{reason}");
    }
}

#[tokio::test]
async fn the_challenge_is_the_policys_scheme() {
    let policy = SignedRequestPolicy { scheme: "Signed".into(), ..SignedRequestPolicy::default() };
    let world = World::with(Settings { policy, ..Settings::new(INSTANCE) });
    let signer = world.account("worker", &[]).await.with_scheme("signed");
    assert_eq!(world.ask("JWT a.b.c").await.header("www-authenticate"), "Signed");
    assert_eq!(world.ask(&world.authorization(&signer)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_the_policy_does_not_allow_is_refused_like_everything_else() {
    let policy = SignedRequestPolicy {
        algorithms: vec![Algorithm::Rs512],
        ..SignedRequestPolicy::default()
    };
    let world = World::with(Settings { policy, ..Settings::new(INSTANCE) });
    let signer = world.account("worker", &[]).await;
    let answer = world.ask(&world.authorization(&signer)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn any_method_path_and_query_is_answered_alike() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"];
    let uris = [
        "/forward-auth",
        "/forward-auth/",
        "/forward-auth?allow=true&account=admin",
        "/forward-auth/the/original/path?x=1",
        "/forward-auth/%2e%2e/v1/accounts/%2F%00%ff",
        "/forward-auth/../health/live",
        "/forward-auth//",
    ];
    for method in methods {
        for uri in uris {
            let build = || Request::builder().method(Method::try_from(method).unwrap()).uri(uri);
            let request = build().header("authorization", world.authorization(&signer));
            let allowed = answer(world.public(), request.body(Body::empty()).unwrap()).await;
            assert_eq!(allowed.status, StatusCode::OK, "{method} {uri}");
            assert_eq!(allowed.body, "");
            assert_eq!(allowed.header("x-auth-account"), "worker");
            let refused = answer(world.public(), build().body(Body::empty()).unwrap()).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{method} {uri}");
        }
    }
}

#[tokio::test]
async fn conditions_and_upgrades_are_the_original_requests_business() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    for (name, value) in [
        ("if-none-match", "*"),
        ("if-match", "\"x\""),
        ("if-modified-since", "Thu, 01 Jan 2099 00:00:00 GMT"),
        ("range", "bytes=0-0"),
        ("expect", "100-continue"),
        ("expect", "the impossible"),
        ("upgrade", "websocket"),
        ("accept", "text/nothing"),
        ("x-http-method-override", "DELETE"),
        ("x-original-uri", "/elsewhere"),
    ] {
        let request = Request::get("/forward-auth")
            .header("authorization", world.authorization(&signer))
            .header(name, value)
            .body(Body::empty())
            .unwrap();
        let answer = answer(world.public(), request).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {value}");
        assert_eq!(answer.body, "");
    }
}

#[tokio::test]
async fn identity_headers_of_the_client_never_pass() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    for authorization in [world.authorization(&signer), "JWT a.b.c".to_owned()] {
        let mut request = Request::get("/forward-auth").header("authorization", authorization);
        for name in IDENTITY {
            request = request.header(name, "admin").header(name, "root");
        }
        let answer = answer(world.public(), request.body(Body::empty()).unwrap()).await;
        let said = identity(&answer);
        assert!(said.iter().all(|value| !value.contains("admin") && !value.contains("root")));
    }
}

#[tokio::test]
async fn identity_headers_can_have_other_names() {
    let identity_headers = IdentityHeaders {
        account: HeaderName::from_static("remote-user"),
        ..IdentityHeaders::default()
    };
    let world = World::with(Settings { identity_headers, ..Settings::new(INSTANCE) });
    let signer = world.account("worker", &[]).await;
    let answer = world.ask(&world.authorization(&signer)).await;
    assert_eq!(answer.header("remote-user"), "worker");
    assert_eq!(answer.header("x-auth-account"), "<absent>");
}

#[tokio::test]
async fn an_outage_is_503_and_passes() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let token = world.authorization(&signer);
    let check_unavailable = |answer: Answer| {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.body, "");
        assert_eq!(identity(&answer), [""; 5]);
    };

    world.directory.is_down.store(true, SeqCst);
    check_unavailable(world.ask(&token).await);
    let nonsense = world.ask("JWT a.b.c").await;
    assert_eq!(nonsense.status, StatusCode::UNAUTHORIZED, "needs no directory to be refused");
    world.directory.is_down.store(false, SeqCst);

    world.guard.is_full.store(true, SeqCst);
    check_unavailable(world.ask(&token).await);
    world.guard.is_full.store(false, SeqCst);

    assert_eq!(world.ask(&token).await.status, StatusCode::OK, "the token was not spent");
}

#[tokio::test]
async fn what_an_administrator_did_holds_on_the_next_request() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let name = signer.account();
    let act = world.act();
    let status = async || world.ask(&world.authorization(&signer)).await.status;
    assert_eq!(status().await, StatusCode::OK);

    let disable = AccountChange::SetDisabled(true);
    world.store.change_account(&act, name, disable).await.unwrap();
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
    let enable = AccountChange::SetDisabled(false);
    world.store.change_account(&act, name, enable).await.unwrap();
    let groups = AccountChange::SetGroups(vec![GroupName::new("new").unwrap()]);
    world.store.change_account(&act, name, groups).await.unwrap();
    let answer = world.ask(&world.authorization(&signer)).await;
    assert_eq!(answer.header("x-auth-groups"), "new");

    let fingerprint = answer.header("x-auth-credential");
    let now = Some(act.at);
    world.store.expire_public_key(&act, name, fingerprint, now).await.unwrap();
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
    world.store.expire_public_key(&act, name, fingerprint, None).await.unwrap();
    assert_eq!(status().await, StatusCode::OK);
    world.store.revoke_public_key(&act, name, fingerprint).await.unwrap();
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_last_use_is_noted_with_the_clients_address() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let from = async |peer: &str, forwarded: &str| {
        let request = Request::get("/forward-auth")
            .header("authorization", world.authorization(&signer))
            .header("x-forwarded-for", forwarded)
            .body(Body::empty())
            .unwrap();
        let router = public_from(&world.service, peer);
        assert_eq!(answer(router, request).await.status, StatusCode::OK);
        world.directory.uses.lock().unwrap().pop().unwrap().from.unwrap().to_string()
    };
    assert_eq!(from("127.0.0.1:9", "203.0.113.1, 198.51.100.7").await, "198.51.100.7");
    assert_eq!(from("192.0.2.7:9", "203.0.113.1").await, "192.0.2.7");

    assert_eq!(world.ask("JWT a.b.c").await.status, StatusCode::UNAUTHORIZED);
    assert!(world.directory.uses.lock().unwrap().is_empty(), "a refusal is no use");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_503() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let _all = world.directory.gate.acquire_many(1000).await.unwrap();
    let answer = world.ask(&world.authorization(&signer)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn too_many_requests_at_once_are_turned_away_but_probes_are_not() {
    let public_limits = Limits { concurrent_requests: 1, request_timeout: Duration::from_mins(1) };
    let world = World::with(Settings { public_limits, ..Settings::new(INSTANCE) });
    let signer = world.account("worker", &[]).await;
    let router = world.public();
    let ask = || {
        Request::get("/forward-auth")
            .header("authorization", world.authorization(&signer))
            .body(Body::empty())
            .unwrap()
    };
    let all = world.directory.gate.acquire_many(1000).await.unwrap();
    let first = answer(router.clone(), ask());
    let others = async {
        let second = answer(router.clone(), ask()).await;
        assert_eq!(second.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(second.header("retry-after"), "1");
        let probe = Request::get("/health/live").body(Body::empty()).unwrap();
        assert_eq!(answer(router.clone(), probe).await.status, StatusCode::OK);
        drop(all);
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(answer(router.clone(), ask()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_panic_ends_one_request_and_says_nothing() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    world.directory.panics.store(true, SeqCst);
    let answer = world.ask(&world.authorization(&signer)).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.body, "");
    world.directory.panics.store(false, SeqCst);
    assert_eq!(world.ask(&world.authorization(&signer)).await.status, StatusCode::OK);
}

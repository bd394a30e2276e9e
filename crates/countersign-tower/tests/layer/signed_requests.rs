//! Requests that callers sign themselves.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::ports::{AccountKeys, OverLimit, RateLimiter, RateSubject};
use countersign_core::{Clock as _, Method};
use countersign_tower::{AllowAnonymous, Identity, Policy, RequireAuth};
use http::StatusCode;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use tower::Layer as _;

use crate::support::{
    Fixed, Guard, account, answer, built, call, outcome, signed_requests, who, with_authorization,
};

fn policy(guard: Guard) -> (Policy, countersign_core::RequestSigner) {
    let (account, signer) = account();
    (built(Policy::accepting(signed_requests(account, guard))), signer)
}

#[tokio::test]
async fn a_required_layer_lets_a_proved_caller_through_once() {
    let (policy, signer) = policy(Guard::Up(Mutex::default()));
    let layer = RequireAuth::new(policy);
    let header = signer.authorization(&Fixed, &Fixed).unwrap();

    assert_eq!(call(&layer, Some(&header)).await.body(), "worker");
    for (refused, challenge) in [
        (Some(header.as_str()), "JWT error=\"invalid_token\""),
        (Some("JWT a.b.c"), "JWT error=\"invalid_token\""),
        (Some("Basic abc"), "JWT"),
        (None, "JWT"),
    ] {
        let answer = call(&layer, refused).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], challenge, "{refused:?}");
    }
}

/// Lets one request of each subject pass.
#[derive(Default)]
struct OneEach(Mutex<HashSet<RateSubject>>);

#[async_trait::async_trait]
impl RateLimiter for OneEach {
    async fn count(&self, subject: RateSubject) -> Result<(), OverLimit> {
        let over = OverLimit { retry_after: Duration::from_millis(6_500) };
        self.0.lock().unwrap().insert(subject).then_some(()).ok_or(over)
    }
}

#[tokio::test]
async fn a_key_over_its_limit_hears_when_to_come_back() {
    let (account, signer) = account();
    let requests = signed_requests(account, Guard::Up(Mutex::default()));
    let policy = built(Policy::accepting(requests.credential_limit(Arc::<OneEach>::default())));
    let header = signer.authorization(&Fixed, &Fixed).unwrap();
    let layer = RequireAuth::new(policy.clone());
    assert_eq!(call(&layer, Some("JWT a.b.c")).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(call(&layer, Some(&header)).await.status(), StatusCode::OK);
    let limited = call(&layer, Some(&header)).await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()[RETRY_AFTER], "7");
    assert_eq!(limited.headers().get(WWW_AUTHENTICATE), None);
    // Not even where nobody has to say who it is.
    let open = call(&AllowAnonymous::new(policy), Some(&header)).await;
    assert_eq!(open.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn an_open_layer_makes_a_refused_caller_nobody() {
    let (policy, signer) = policy(Guard::Up(Mutex::default()));
    let layer = AllowAnonymous::new(policy);
    let header = signer.authorization(&Fixed, &Fixed).unwrap();

    assert_eq!(call(&layer, Some(&header)).await.body(), "worker");
    assert_eq!(call(&layer, Some(&header)).await.body(), "nobody");
    assert_eq!(call(&layer, None).await.body(), "nobody");
}

#[tokio::test]
async fn an_outage_is_neither_a_refusal_nor_an_anonymous_caller() {
    let (policy, signer) = policy(Guard::Down);
    let header = || signer.authorization(&Fixed, &Fixed).unwrap();
    for answer in [
        call(&RequireAuth::new(policy.clone()), Some(&header())).await,
        call(&AllowAnonymous::new(policy.clone()), Some(&header())).await,
    ] {
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
    }
}

#[tokio::test]
async fn an_identity_says_all_that_is_known() {
    let (policy, signer) = policy(Guard::Up(Mutex::default()));
    let service = RequireAuth::new(policy).layer(tower::service_fn(
        |request: http::Request<()>| async move {
            let caller = Identity::find(request.extensions()).unwrap();
            assert_eq!(caller.method(), Method::SignedRequest);
            assert_eq!(caller.account_id().unwrap().0.as_u128(), 1);
            assert!(caller.is_in("ops") && caller.credential().is_some());
            let claims: serde_json::Value = serde_json::from_str(caller.claims().unwrap()).unwrap();
            assert_eq!(claims["time"], Fixed.now().as_secs());
            who(request).await
        },
    ));
    let header = signer.authorization(&Fixed, &Fixed).unwrap();
    let answer = answer(service, with_authorization(Some(&header))).await;
    assert_eq!(answer.body(), "worker");
}

#[tokio::test]
async fn a_disabled_account_is_refused() {
    let (account, signer) = account();
    let disabled = AccountKeys { disabled: true, ..account };
    let requests = signed_requests(disabled, Guard::Up(Mutex::default()));
    let policy = built(Policy::accepting(requests));
    let header = signer.authorization(&Fixed, &Fixed).unwrap();
    assert_eq!(outcome(&policy, &header).await, Err(401));
}

/// One token, a hundred requests at once: one caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_works_once_whatever_the_concurrency() {
    let (policy, signer) = policy(Guard::Up(Mutex::default()));
    let header = signer.authorization(&Fixed, &Fixed).unwrap();
    let calls = (0..100).map(|_| {
        let (policy, header) = (policy.clone(), header.clone());
        tokio::spawn(async move { outcome(&policy, &header).await })
    });
    let mut accepted = 0;
    for call in calls.collect::<Vec<_>>() {
        accepted += usize::from(call.await.unwrap().is_ok());
    }
    assert_eq!(accepted, 1);
}

/// A caller that goes away while the guard is asked leaves nothing behind.
#[tokio::test]
async fn a_request_that_is_dropped_does_not_reach_the_service() {
    let (policy, signer) = policy(Guard::Stuck);
    let called = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&called);
    // As many requests at once as one: a place that is not given back would be missed.
    let service = tower::ServiceBuilder::new()
        .concurrency_limit(1)
        .layer(AllowAnonymous::new(policy))
        .service(tower::service_fn(move |request| {
            seen.store(true, Ordering::Relaxed);
            who(request)
        }));
    let header = signer.authorization(&Fixed, &Fixed).unwrap();
    {
        let mut asking = std::pin::pin!(answer(service.clone(), with_authorization(Some(&header))));
        assert!(futures_util::poll!(asking.as_mut()).is_pending());
    }
    assert!(!called.load(Ordering::Relaxed));
    assert_eq!(answer(service, with_authorization(None)).await.body(), "nobody");
}

#[tokio::test]
async fn an_identity_from_elsewhere_does_not_pass() {
    let (policy, signer) = policy(Guard::Up(Mutex::default()));
    let inner = AllowAnonymous::new(crate::support::with_secret());
    let service = RequireAuth::new(policy).layer(tower::service_fn(move |request| {
        let inner = inner.layer(tower::service_fn(who));
        async move {
            Ok::<_, std::convert::Infallible>(http::Response::new(
                answer(inner, request).await.into_body(),
            ))
        }
    }));
    let header = signer.authorization(&Fixed, &Fixed).unwrap();
    assert_eq!(answer(service, with_authorization(Some(&header))).await.body(), "nobody");
}

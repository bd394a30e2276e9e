//! What the layer allocates for a request: a few times for what it hands on, and nothing for
//! its own way. A boxed future, or a layer that copies its policy, would show here.
//!
//! A binary of its own, because its allocator counts.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use countersign_core::{Clock as _, HmacAlgorithm, Issuer, SharedSecret};
use countersign_system::SystemClock;
use countersign_tower::{BearerTokens, GuardedBody, Identity, Policy, RequireAuth};
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use tower::{Layer as _, Service, service_fn};

/// How often, for the token's claims and groups, the identity and its entry in the request's
/// extensions.
const HANDED_ON: u64 = 5;

type Answer = Ready<Result<Response<String>, Infallible>>;

#[expect(clippy::needless_pass_by_value, reason = "services take their requests")]
fn service(request: Request<()>) -> Answer {
    assert!(Identity::find(request.extensions()).is_some(), "the layer let nobody through");
    ready(Ok(Response::new(String::new())))
}

/// Runs what never waits for anything.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn a_bearer_token_is_judged_on_the_spot_and_without_a_box() {
    let secret =
        || SharedSecret::new(b"a shared secret that nobody guesses, whoever tries").unwrap();
    let policy = Policy::accepting(BearerTokens::shared_secret(secret())).build().unwrap();
    let mut layered = RequireAuth::new(policy).layer(service_fn(service as fn(_) -> Answer));
    let issuer = Issuer::with_secret(secret(), HmacAlgorithm::Hs256);
    let token = issuer.issue("worker", &(), SystemClock.now()).unwrap();
    let request = || {
        let header = format!("Bearer {token}");
        Request::builder().header(AUTHORIZATION, header).body(()).unwrap()
    };
    let mut call = |request| -> Response<GuardedBody<String>> {
        at_once(layered.call(request)).unwrap_or_else(|never| match never {})
    };
    // What is made once is made with the first.
    assert_eq!(call(request()).status(), StatusCode::OK);
    for _ in 0..3 {
        let request = request();
        let mut status = None;
        let counted = measure(|| status = Some(call(request).status()));
        assert_eq!(status, Some(StatusCode::OK));
        assert!(counted.count_total <= HANDED_ON, "{counted:?}");
    }
}

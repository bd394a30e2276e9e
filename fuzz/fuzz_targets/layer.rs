//! The middleware before a service: whatever the `Authorization` header says, nobody
//! gets through but the bearer of a token that was issued.

#![no_main]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use countersign_core::SharedSecret;
use countersign_core::header::token_in_value;
use countersign_fuzz::{FixedClock, fuzz_with_seeds, seeds};
use countersign_tower::{BearerTokens, Identity, Policy, RequireAuth};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use libfuzzer_sys::fuzz_target;
use tower::{Layer, Service};

fuzz_with_seeds!(seeds::bearer_headers());

static LAYER: LazyLock<RequireAuth> = LazyLock::new(|| {
    let secret = SharedSecret::new(seeds::SECRET).expect("long enough");
    let tokens = BearerTokens::shared_secret(secret).scheme("JWT");
    let policy = Policy::accepting(tokens).clock(Arc::new(FixedClock)).build();
    RequireAuth::new(policy.expect("a policy"))
});

/// The service: says who calls.
fn who(request: Request<()>) -> Ready<Result<Response<Empty<bytes::Bytes>>, Infallible>> {
    let caller = Identity::find(request.extensions()).expect("a caller");
    assert_eq!(caller.account().as_str(), seeds::ACCOUNT);
    ready(Ok(Response::new(Empty::new())))
}

/// What is answered to a request with these headers; nobody needs to be asked, so it
/// is answered at once.
fn status(values: &[&HeaderValue]) -> StatusCode {
    let mut request = Request::new(());
    for value in values {
        request.headers_mut().append(AUTHORIZATION, (*value).clone());
    }
    let mut service = LAYER.layer(tower::service_fn(who));
    let answer = pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(answer)) = answer else { panic!("an answer at once") };
    answer.status()
}

fuzz_target!(|data: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let issued = value.to_str().ok().and_then(|text| token_in_value(text, "JWT").ok());
    let expected = match issued {
        Some(token) if seeds::bearer_tokens().iter().any(|issued| *issued == token) => {
            StatusCode::OK
        }
        _ => StatusCode::UNAUTHORIZED,
    };
    assert_eq!(status(&[&value]), expected);
    assert_eq!(status(&[&value, &value]), StatusCode::UNAUTHORIZED);
});

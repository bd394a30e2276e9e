//! What stands in the log: dangers and reasons, and never a secret or a token.
//!
//! A binary of its own: whether a place in the code is logged is remembered for
//! the whole process when the first thread comes by, so nothing may come by
//! unless it is within [`logged`].

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::{Check, Clock as _, HmacAlgorithm, Issuer, SharedSecret};
use countersign_system::SystemClock;
use countersign_tower::{BearerTokens, Policy, RequireAuth};
use http::{Request, Response, StatusCode};
use tower::{Layer as _, ServiceExt as _, service_fn};

/// What is logged meanwhile.
fn logged(work: impl FnOnce()) -> String {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let file = Arc::new(tempfile::tempfile().unwrap());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Arc::clone(&file))
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let mut file: &File = &file;
    file.rewind().unwrap();
    let mut log = String::new();
    file.read_to_string(&mut log).unwrap();
    log
}

fn secret() -> SharedSecret {
    SharedSecret::new(b"a shared secret that nobody guesses, whoever tries").unwrap()
}

#[test]
fn what_is_not_checked_is_said_when_the_policy_is_built() {
    let build = |tokens: BearerTokens| logged(|| drop(Policy::accepting(tokens).build().unwrap()));
    let tokens = || BearerTokens::shared_secret(secret());
    assert_eq!(build(tokens()), "");
    for check in [Check::Signature, Check::Expiry, Check::ExpiryPresent, Check::Audience] {
        let log = build(tokens().dangerous().skip(check));
        assert!(log.contains("WARN") && log.contains(&format!("check={check:?}")), "{log}");
    }
    let short = SharedSecret::dangerous_short(b"hunter2").unwrap();
    let log = build(BearerTokens::shared_secret(short));
    assert!(log.contains("WARN") && log.contains("so short that it is guessed"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn a_refusal_has_its_reason_in_the_log_and_not_its_token() {
    let token = Issuer::with_secret(secret(), HmacAlgorithm::Hs256)
        .with_audience(["elsewhere"])
        .issue("worker", &(), SystemClock.now())
        .unwrap();
    let log = logged(|| {
        let layer = RequireAuth::new(
            Policy::accepting(BearerTokens::shared_secret(secret())).build().unwrap(),
        );
        let service = layer.layer(service_fn(async |_: Request<_>| {
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
        let request = Request::get("/").header("authorization", format!("Bearer {token}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(service.oneshot(request.body(String::new()).unwrap()));
        assert_eq!(answer.unwrap().status(), StatusCode::UNAUTHORIZED);
    });
    assert!(log.contains("audience_other") && log.contains("worker"), "{log}");
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(!log.contains(signature), "{log}");
}

//! What stands in the log: dangers and reasons, and never a secret or a token.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::sync::Arc;

use countersign_core::{Check, SharedSecret};
use countersign_tower::{BearerTokens, Policy, RequireAuth};

use crate::support::{NOW, bearer, built, call, issuer, secret, with_secret};

/// What is logged meanwhile.
async fn logged(work: impl Future<Output = ()>) -> String {
    let file = Arc::new(tempfile::tempfile().unwrap());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Arc::clone(&file))
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    work.await;
    drop(guard);
    let mut file: &File = &file;
    file.rewind().unwrap();
    let mut log = String::new();
    file.read_to_string(&mut log).unwrap();
    log
}

#[tokio::test]
async fn what_is_not_checked_is_said_when_the_policy_is_built() {
    let build =
        async |tokens: BearerTokens| logged(async { drop(built(Policy::accepting(tokens))) }).await;
    let tokens = || BearerTokens::shared_secret(secret());
    assert_eq!(build(tokens()).await, "");
    for check in [Check::Signature, Check::Expiry, Check::ExpiryPresent, Check::Audience] {
        let log = build(tokens().dangerous().skip(check)).await;
        assert!(log.contains("WARN") && log.contains(&format!("check={check:?}")), "{log}");
    }
    let short = SharedSecret::dangerous_short(b"hunter2").unwrap();
    let log = build(BearerTokens::shared_secret(short)).await;
    assert!(log.contains("WARN") && log.contains("so short that it is guessed"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn a_refusal_has_its_reason_in_the_log_and_not_its_token() {
    let layer = RequireAuth::new(with_secret());
    let token = issuer().with_audience(["elsewhere"]).issue("worker", &(), NOW).unwrap();
    let log = logged(async { drop(call(&layer, Some(&bearer(&token))).await) }).await;
    assert!(log.contains("audience_other") && log.contains("worker"), "{log}");
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(!log.contains(signature), "{log}");
}

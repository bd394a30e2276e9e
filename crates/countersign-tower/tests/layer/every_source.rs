//! What is refused whatever tokens are verified with.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::ports::{TrustedKeySource, ValidatorError};
use countersign_core::{Issuer, TrustedKeys, UnixTime};
use countersign_tower::{
    BearerTokens, GroupsUnavailable, Membership, Policy, PolicyBuilder, RequireAuth, Scheme,
    require_group,
};
use http::Request;
use http::header::AUTHORIZATION;
use serde_json::json;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};

use crate::support::{
    Fixed, Guard, NOW, Validator, account, answer, bearer, built, group, issuer, key_issuer,
    outcome, pair, secret, signed_requests, who, with_authorization,
};

/// A source of keys, and how to get a header that it takes.
struct Source {
    name: &'static str,
    scheme: Scheme,
    /// The header of an account, made so long ago, with a claim `groups`.
    header: Box<dyn Fn(Duration) -> String>,
}

/// An issuer's header for `worker`, who claims to be in `admin`, where nobody reads it.
fn by(issuer: Issuer) -> Box<dyn Fn(Duration) -> String> {
    Box::new(move |ago| {
        bearer(&issuer.issue("worker", &json!({"groups": ["admin"]}), NOW - ago).unwrap())
    })
}

/// Keys that a test can take away.
struct Changing(Mutex<Arc<TrustedKeys>>);

impl TrustedKeySource for Changing {
    fn keys(&self) -> Arc<TrustedKeys> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

fn sources() -> Vec<Source> {
    let (files, changing, remote) = (pair(), pair(), pair());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("issuer.pub");
    std::fs::write(&file, files.public_key().to_spki_pem()).unwrap();
    let keys: TrustedKeys = [changing.public_key().clone()].into_iter().collect();
    let (account, signer) = account();
    let one_time = move |ago: Duration| {
        struct Earlier(UnixTime);
        impl countersign_core::Clock for Earlier {
            fn now(&self) -> UnixTime {
                self.0
            }
        }
        signer.authorization(&Earlier(NOW - ago), &Fixed).unwrap()
    };
    vec![
        Source {
            name: "shared secret",
            scheme: BearerTokens::shared_secret(secret()).into(),
            header: by(issuer()),
        },
        Source {
            name: "key files",
            scheme: BearerTokens::key_files([file]).unwrap().into(),
            header: by(key_issuer(&files)),
        },
        Source {
            name: "keys that change",
            scheme: BearerTokens::keys(Arc::new(Changing(Mutex::new(Arc::new(keys))))).into(),
            header: by(key_issuer(&changing)),
        },
        Source {
            name: "remote",
            scheme: BearerTokens::validated_by(Arc::new(Validator(Ok(true)))).into(),
            header: by(key_issuer(&remote)),
        },
        Source {
            name: "account store",
            scheme: signed_requests(account, Guard::Up(Mutex::default())).into(),
            header: Box::new(one_time),
        },
    ]
}

fn policy(source: &Source) -> PolicyBuilder {
    Policy::accepting(source.scheme.clone())
}

const FRESH: Duration = Duration::ZERO;

#[tokio::test]
async fn a_good_token_is_taken() {
    for source in sources() {
        let header = (source.header)(FRESH);
        let caller = outcome(&built(policy(&source)), &header).await;
        assert_eq!(caller.as_deref(), Ok("worker"), "{}", source.name);
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    for source in sources() {
        let header = (source.header)(Duration::from_hours(1));
        assert_eq!(outcome(&built(policy(&source)), &header).await, Err(401), "{}", source.name);
    }
}

#[tokio::test]
async fn a_forged_token_is_refused() {
    for source in sources().iter().filter(|source| source.name != "remote") {
        let header = (source.header)(FRESH);
        let (signed, signature) = header.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{signed}.{first}{}", &signature[1..]);
        assert_eq!(outcome(&built(policy(source)), &forged).await, Err(401), "{}", source.name);
    }
    let remote = BearerTokens::validated_by(Arc::new(Validator(Ok(false))));
    let header = bearer(&key_issuer(&pair()).issue("worker", &(), NOW).unwrap());
    assert_eq!(outcome(&built(Policy::accepting(remote)), &header).await, Err(401));
}

#[tokio::test]
async fn a_blocked_account_is_refused() {
    for source in sources() {
        let blocking = policy(&source).groups(|_, _| Box::pin(async { Ok(Membership::Blocked) }));
        let header = (source.header)(FRESH);
        assert_eq!(outcome(&built(blocking), &header).await, Err(401), "{}", source.name);
        let unknown = policy(&source)
            .groups(|_, _| Box::pin(async { Err(GroupsUnavailable("down".into())) }));
        let header = (source.header)(Duration::from_secs(1));
        assert_eq!(outcome(&built(unknown), &header).await, Err(503), "{}", source.name);
    }
}

#[tokio::test]
async fn a_header_twice_is_refused() {
    for source in sources() {
        let mut request = Request::new(());
        for _ in 0..2 {
            let header = (source.header)(FRESH);
            request.headers_mut().append(AUTHORIZATION, header.parse().unwrap());
        }
        let layer = RequireAuth::new(built(policy(&source)));
        let answer = answer(layer.layer(tower::service_fn(who)), request).await;
        assert_eq!(answer.status(), 401, "{}", source.name);
    }
}

#[tokio::test]
async fn a_group_that_a_token_claims_is_none() {
    for source in sources() {
        let known = policy(&source).groups(|account, request| {
            assert_eq!((account.as_str(), request.uri.path()), ("worker", "/"));
            Box::pin(async { Ok(Membership::Groups(vec![group("callers")])) })
        });
        for (policy, group, status) in [(policy(&source), "admin", 403), (known, "callers", 200)] {
            let service = ServiceBuilder::new()
                .layer(RequireAuth::new(built(policy)))
                .layer(require_group(group))
                .service(tower::service_fn(who));
            let header = (source.header)(FRESH);
            let answered = service.oneshot(with_authorization(Some(&header))).await.unwrap();
            assert_eq!(answered.status().as_u16(), status, "{}", source.name);
        }
    }
}

#[tokio::test]
async fn an_outage_is_no_refusal() {
    let none_yet = TrustedKeys::default().until(UnixTime::from_secs(0));
    let header = bearer(&key_issuer(&pair()).issue("worker", &(), NOW).unwrap());
    for tokens in [
        BearerTokens::keys(Arc::new(Arc::new(none_yet))),
        BearerTokens::validated_by(Arc::new(Validator(Err(ValidatorError("down".into()))))),
    ] {
        assert_eq!(outcome(&built(Policy::accepting(tokens)), &header).await, Err(503));
    }
}

//! What those hear who may not pass.

use bytes::Bytes;
use countersign_tower::{
    AllowAnonymous, BearerTokens, Denial, Policy, RequireAuth, acl, require_any, require_group,
};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};

use crate::support::{
    Guard, NOW, account, answer, bearer, built, call, issuer, secret, signed_requests, who,
    with_authorization, with_secret,
};

fn tokens() -> BearerTokens {
    BearerTokens::shared_secret(secret())
}

fn challenges(answer: &Response<String>) -> Vec<&str> {
    let values = answer.headers().get_all(WWW_AUTHENTICATE).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn each_scheme_challenges_in_the_order_of_the_policy() {
    let (account, _) = account();
    let both =
        Policy::accepting(tokens()).or(signed_requests(account, Guard::Down)).realm("billing");
    let layer = RequireAuth::new(built(both));
    let asked = [r#"Bearer realm="billing""#, r#"JWT realm="billing""#];
    assert_eq!(challenges(&call(&layer, None).await), asked);
    assert_eq!(challenges(&call(&layer, Some("Bearer")).await), asked, "as if absent");
    let invalid = [
        r#"Bearer realm="billing", error="invalid_token""#,
        r#"JWT realm="billing", error="invalid_token""#,
    ];
    assert_eq!(challenges(&call(&layer, Some("Bearer a.b.c")).await), invalid);

    // RFC 6750 section 3 wants a parameter.
    let usual = RequireAuth::new(with_secret());
    assert_eq!(challenges(&call(&usual, None).await), [r#"Bearer realm="api""#]);
    let forgotten = with_secret().forget();
    assert_eq!(forgotten[WWW_AUTHENTICATE], r#"Bearer realm="api""#);
}

#[tokio::test]
async fn a_refusal_is_a_problem_document_that_says_no_more() {
    let expired = issuer().issue("worker", &(), NOW - std::time::Duration::from_hours(1)).unwrap();
    let layer = RequireAuth::new(with_secret());
    for authorization in [None, Some("Bearer x"), Some(bearer(&expired).as_str())] {
        let answer = call(&layer, authorization).await;
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let problem: Value = serde_json::from_str(answer.body()).unwrap();
        assert_eq!(problem, json!({"type": "about:blank", "title": "Unauthorized", "status": 401}));
    }
}

/// The status and the first challenge of a request through two layers.
async fn through(policy: Policy, header: Option<&str>) -> (StatusCode, Option<String>) {
    let guarded = require_group("ops").layer(tower::service_fn(who));
    let service = RequireAuth::new(policy).layer(guarded);
    let answer = service.oneshot(with_authorization(header)).await.unwrap();
    let challenge = answer.headers().get(WWW_AUTHENTICATE);
    (answer.status(), challenge.map(|value| value.to_str().unwrap().to_owned()))
}

#[tokio::test]
async fn the_known_but_not_allowed_are_forbidden_or_asked_again() {
    let header = bearer(&issuer().issue("worker", &(), NOW).unwrap());
    let usual = through(with_secret(), Some(&header)).await;
    assert_eq!(usual, (StatusCode::FORBIDDEN, None));
    let like_pyramid = built(Policy::accepting(tokens().scheme("JWT")).challenge_the_forbidden());
    let header = header.replace("Bearer", "JWT");
    let asked = through(like_pyramid, Some(&header)).await;
    assert_eq!(asked, (StatusCode::UNAUTHORIZED, Some("JWT".to_owned())));
}

#[tokio::test]
async fn nobody_is_asked_who_it_is_where_a_route_needs_to_know() {
    let guarded = require_any(["ops", "billing"]).layer(tower::service_fn(who));
    let service = AllowAnonymous::new(with_secret()).layer(guarded);
    let answer = service.oneshot(with_authorization(None)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers().contains_key(WWW_AUTHENTICATE));
}

#[tokio::test]
async fn a_route_without_a_layer_before_it_lets_nobody_in() {
    let layer = countersign_tower::Authorize::new(acl![allow everyone]);
    let answer = answer(layer.layer(tower::service_fn(who)), with_authorization(None)).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_caller_that_speaks_grpc_is_answered_in_grpc() {
    let mut request = Request::new(());
    let content_type = "application/grpc+proto".parse().unwrap();
    request.headers_mut().insert(CONTENT_TYPE, content_type);
    let service = RequireAuth::new(with_secret()).layer(tower::service_fn(who));
    let answer = answer(service, request).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "for those who look at it alone");
    assert_eq!(answer.headers()["grpc-status"], "16");
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/grpc");
    assert!(answer.headers().contains_key(WWW_AUTHENTICATE));
    assert_eq!(answer.body(), "");
}

#[tokio::test]
async fn a_service_may_answer_in_its_own_way() {
    let policy = Policy::accepting(tokens()).answer_with(|denial, mut prepared| {
        assert_eq!(denial, Denial::Unauthenticated { sent_a_token: false });
        prepared.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().unwrap());
        prepared.map(|_| Bytes::from_static(b"Who are you?"))
    });
    let answer = call(&RequireAuth::new(built(policy)), None).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        (answer.body().as_str(), &answer.headers()[CONTENT_TYPE].to_str().unwrap()),
        ("Who are you?", &"text/plain")
    );
    assert_eq!(challenges(&answer), [r#"Bearer realm="api""#]);
}

//! What `pyramid_jwtauth` does with headers and tokens, row by row, and what we do.

use std::time::Duration;

use countersign_core::header::Spelling;
use countersign_core::{Check, HmacAlgorithm, Issuer, SharedSecret};
use countersign_tower::{BearerTokens, Policy, RequireAuth};
use http::Request;
use http::header::AUTHORIZATION;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tower::Layer as _;

use crate::support::{NOW, SECRET, answer, built, issuer, outcome, secret, who, with_secret};

/// A policy as a service has that moves over from `pyramid_jwtauth`.
fn under_jwt() -> Policy {
    built(Policy::accepting(BearerTokens::shared_secret(secret()).scheme("JWT")))
}

fn good() -> String {
    issuer().issue("worker", &(), NOW).unwrap()
}

/// A token with any claims, rightly signed by another library.
fn signed(algorithm: jsonwebtoken::Algorithm, claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

async fn outcome_of(claims: Value) -> Result<String, u16> {
    let token = signed(jsonwebtoken::Algorithm::HS256, &claims);
    outcome(&with_secret(), &format!("Bearer {token}")).await
}

#[tokio::test]
async fn the_token_is_found_in_every_spelling_of_the_header() {
    let (policy, token) = (under_jwt(), good());
    for header in [
        format!("JWT token=\"{token}\""),
        format!("JWT token={token}"),
        format!("JWT {token}"),
        format!("jwt {token}"),
        format!("JWT realm=\"x\", token=\"{token}\", more=1"),
    ] {
        assert_eq!(outcome(&policy, &header).await.as_deref(), Ok("worker"), "{header}");
    }
    for header in [
        format!("Bearer {token}"),
        format!("JWT token=\"{token}\", token=\"{token}\""),
        format!("JWT {token}, Bearer {token}"),
        format!("JWT token=\"{token}\", JWT token=\"{token}\""),
        format!("JWT token=\"{token}"),
        "JWT".to_owned(),
    ] {
        assert_eq!(outcome(&policy, &header).await, Err(401), "{header}");
    }
    assert_eq!(outcome(&with_secret(), &format!("bearer {token}")).await.as_deref(), Ok("worker"));
}

#[tokio::test]
async fn spellings_can_be_chosen() {
    let token = good();
    for chosen in Spelling::ALL {
        let policy =
            built(Policy::accepting(BearerTokens::shared_secret(secret()).spellings([chosen])));
        for spelling in Spelling::ALL {
            let expected = if spelling == chosen { Ok("worker".to_owned()) } else { Err(401) };
            let header = spelling.value("Bearer", &token);
            assert_eq!(outcome(&policy, &header).await, expected, "{header}");
        }
    }
}

#[tokio::test]
async fn a_header_that_is_there_twice_is_refused() {
    let mut request = Request::new(());
    for _ in 0..2 {
        let value = format!("Bearer {}", good()).parse().unwrap();
        request.headers_mut().append(AUTHORIZATION, value);
    }
    let service = RequireAuth::new(with_secret()).layer(tower::service_fn(who));
    assert_eq!(answer(service, request).await.status(), 401);
}

#[tokio::test]
async fn what_the_original_answers_with_500_is_401() {
    let now = NOW.as_secs();
    for claims in [
        json!({"sub": "worker", "exp": now + 60, "aud": "somebody"}),
        json!({"sub": "worker", "exp": now + 60, "nbf": now + 60}),
        json!({"sub": "worker", "exp": now + 60, "iat": "yesterday"}),
        json!({"sub": "worker", "exp": "tomorrow"}),
        json!({"sub": 7, "exp": now + 60}),
        json!({"sub": "", "exp": now + 60}),
        json!({"exp": now + 60}),
        json!({"sub": "worker", "exp": now}),
        json!({"sub": "worker"}),
        json!("worker"),
    ] {
        assert_eq!(outcome_of(claims.clone()).await, Err(401), "{claims}");
    }
    assert_eq!(outcome_of(json!({"sub": "worker", "exp": now + 1})).await.as_deref(), Ok("worker"));
}

#[tokio::test]
async fn only_the_policys_algorithms_are_taken() {
    let claims = json!({"sub": "worker", "exp": NOW.as_secs() + 60});
    for algorithm in [jsonwebtoken::Algorithm::HS384, jsonwebtoken::Algorithm::HS512] {
        let header = format!("Bearer {}", signed(algorithm, &claims));
        assert_eq!(outcome(&with_secret(), &header).await, Err(401));
    }
    let payload = good().split('.').nth(1).unwrap().to_owned();
    let unsigned = format!("Bearer eyJhbGciOiJub25lIn0.{payload}.");
    assert_eq!(outcome(&with_secret(), &unsigned).await, Err(401));

    let tokens = BearerTokens::shared_secret(secret()).algorithms([HmacAlgorithm::Hs384]);
    let policy = built(Policy::accepting(tokens));
    let header = format!("Bearer {}", signed(jsonwebtoken::Algorithm::HS384, &claims));
    assert_eq!(outcome(&policy, &header).await.as_deref(), Ok("worker"));
}

#[tokio::test]
async fn leeway_is_a_duration() {
    let tokens = BearerTokens::shared_secret(secret()).leeway(Duration::from_secs(5));
    let policy = built(Policy::accepting(tokens));
    let expired = |seconds| {
        let lifetime = Duration::from_secs(100);
        let made_at = NOW - lifetime - Duration::from_secs(seconds);
        let token = issuer().with_lifetime(lifetime).issue("worker", &(), made_at).unwrap();
        format!("Bearer {token}")
    };
    assert_eq!(outcome(&policy, &expired(4)).await.as_deref(), Ok("worker"));
    assert_eq!(outcome(&policy, &expired(5)).await, Err(401));
    assert_eq!(outcome(&with_secret(), &expired(0)).await, Err(401));
}

#[tokio::test]
async fn a_secret_can_be_replaced_by_another() {
    let new = SharedSecret::new(b"the next secret, which is not known to anyone").unwrap();
    let policy = built(Policy::accepting(BearerTokens::shared_secrets([new.clone(), secret()])));
    let of_new = Issuer::with_secret(new, HmacAlgorithm::Hs256).issue("new", &(), NOW).unwrap();
    assert_eq!(outcome(&policy, &format!("Bearer {of_new}")).await.as_deref(), Ok("new"));
    assert_eq!(outcome(&policy, &format!("Bearer {}", good())).await.as_deref(), Ok("worker"));
    assert_eq!(outcome(&with_secret(), &format!("Bearer {of_new}")).await, Err(401));
}

#[tokio::test]
async fn a_check_is_left_out_under_dangerous_alone() {
    let tokens = BearerTokens::shared_secret(secret()).dangerous().skip(Check::ExpiryPresent);
    let policy = built(Policy::accepting(tokens));
    let timeless = signed(jsonwebtoken::Algorithm::HS256, &json!({"sub": "worker"}));
    assert_eq!(outcome(&policy, &format!("Bearer {timeless}")).await.as_deref(), Ok("worker"));
    let expired = json!({"sub": "worker", "exp": 1});
    let expired = signed(jsonwebtoken::Algorithm::HS256, &expired);
    assert_eq!(outcome(&policy, &format!("Bearer {expired}")).await, Err(401));
}

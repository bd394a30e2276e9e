//! The caller among the arguments of axum's handlers.

use axum::body::{Body, to_bytes};
use axum::routing::get;
use axum::{Router, response::IntoResponse};
use countersign_tower::{
    AllowAnonymous, Authorize, Claims, Identity, RequireAuth, UnverifiedAccount, acl, require_group,
};
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tower::ServiceExt as _;

use crate::support::{NOW, bearer, built, issuer, secret, with_secret};
use countersign_tower::{BearerTokens, Policy};

#[derive(Deserialize)]
struct Tenant {
    tenant: u64,
}

async fn show(caller: Option<Identity>, UnverifiedAccount(claimed): UnverifiedAccount) -> String {
    let proved = caller.map(|caller| caller.account().to_string());
    format!("{proved:?} {:?}", claimed.map(|name| name.to_string()))
}

fn routes() -> Router {
    Router::new()
        .route("/show", get(show))
        .route("/name", get(async |caller: Identity| caller.account().to_string()))
        .route("/tenant", get(async |Claims(claims): Claims<Tenant>| claims.tenant.to_string()))
        .route("/ops", get(async || "ops").route_layer(require_group("ops")))
        .route("/open", get(async || "open").route_layer(Authorize::new(acl![allow everyone])))
}

async fn ask(app: &Router, path: &str, authorization: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    if let Some(value) = authorization {
        request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
    }
    let answer = app.clone().oneshot(request).await.unwrap().into_response();
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
    (status, String::from_utf8(body.into()).unwrap())
}

fn tokens() -> (String, String) {
    let claims = json!({"tenant": 7, "groups": ["ops"]});
    let full = issuer().issue("worker", &claims, NOW).unwrap();
    (bearer(&full), bearer(&issuer().issue("worker", &(), NOW).unwrap()))
}

#[tokio::test]
async fn handlers_are_told_who_calls() {
    let tokens_with_groups = BearerTokens::shared_secret(secret()).groups_claim("groups");
    let app = routes().layer(AllowAnonymous::new(built(Policy::accepting(tokens_with_groups))));
    let (full, plain) = tokens();
    let forged = format!("{full}x");
    for (path, authorization, status, body) in [
        ("/show", Some(&full), 200, r#"Some("worker") Some("worker")"#),
        ("/show", Some(&forged), 200, r#"None Some("worker")"#),
        ("/show", None, 200, "None None"),
        ("/name", Some(&full), 200, "worker"),
        ("/tenant", Some(&full), 200, "7"),
        ("/ops", Some(&full), 200, "ops"),
        ("/open", None, 200, "open"),
    ] {
        let answer = ask(&app, path, authorization.map(String::as_str)).await;
        assert_eq!((answer.0.as_u16(), answer.1.as_str()), (status, body), "{path}");
    }
    for (path, authorization, status) in [
        ("/name", None, 401),
        ("/name", Some(&forged), 401),
        ("/tenant", None, 401),
        ("/tenant", Some(&plain), 401),
        ("/ops", None, 401),
        ("/ops", Some(&plain), 403),
    ] {
        let answer = ask(&app, path, authorization.map(String::as_str)).await;
        assert_eq!(answer.0.as_u16(), status, "{path}");
        assert!(answer.1.starts_with(r#"{"type":"about:blank""#), "{path}");
    }
}

#[tokio::test]
async fn a_handler_without_a_layer_is_a_mistake_that_lets_nobody_in() {
    for path in ["/name", "/tenant", "/ops"] {
        assert_eq!(ask(&routes(), path, Some(&tokens().0)).await.0, 500, "{path}");
    }
    assert_eq!(ask(&routes(), "/show", Some(&tokens().0)).await.1, "None None");
}

#[tokio::test]
async fn a_whole_router_can_stand_behind_a_required_layer() {
    let app = routes().layer(RequireAuth::new(with_secret()));
    assert_eq!(ask(&app, "/open", None).await.0, 401);
    assert_eq!(ask(&app, "/open", Some(&tokens().1)).await.0, 200);
}

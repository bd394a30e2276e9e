//! Which routes there are, and what they say when all is well.

use axum::body::Body;
use countersign_server::key_to_token::{Registration, TokenRoutes};
use countersign_server::{Settings, SettingsError, TokenSettings};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::tokens::{IDENTIFIER, On, TokenWorld, on_each_database};
use crate::support::{Answer, HOST, INSTANCE, World, answer};

on_each_database!(
    every_route_answers_as_the_original_does,
    other_methods_are_refused_with_those_that_are_known,
);

const J: &str = "application/json; charset=utf-8";

#[track_caller]
fn is_json(answer: &Answer, status: u16, body: &Value) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), J);
    assert_eq!(answer.json::<Value>(), *body);
}

async fn every_route_answers_as_the_original_does(on: On) {
    let world = TokenWorld::new(on).await;
    let there = json!({ "result": true, "message": null });
    for path in ["/", "/health", "/health?a=b"] {
        is_json(&world.get(path, &[]).await, 200, &there);
    }
    is_json(&world.register("a key", IDENTIFIER).await, 201, &there);
    for (key, registered) in [("a key", true), ("another", false)] {
        let answer = world.post_internal("/is_key_registered", &json!({ "key": key })).await;
        is_json(&answer, 200, &json!({ "result": registered, "message": null }));
    }
    let answer = world.authenticate("a key", IDENTIFIER).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, J));
    let session: Value = answer.json();
    assert_eq!(session.as_object().unwrap().len(), 2, "one member more, and clients raise");
    let (jwt, refresh_token) = (session["jwt"].as_str(), session["refresh_token"].as_str());
    let (jwt, refresh_token) = (jwt.unwrap(), refresh_token.unwrap());
    assert_eq!(refresh_token.len(), 128);

    let answer = world.refresh(refresh_token, IDENTIFIER).await;
    let refreshed: Value = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(refreshed["refresh_token"], Value::Null);
    assert_eq!(refreshed.as_object().unwrap().len(), 2);
    for token in [jwt, refreshed["jwt"].as_str().unwrap()] {
        is_json(&world.validate(token).await, 200, &there);
        let allowed = world.validate_request(token).await;
        assert_eq!((allowed.status.as_u16(), allowed.body.as_str()), (200, ""));
        assert_eq!(allowed.header("x-auth-account"), IDENTIFIER);
        assert_eq!(allowed.header("x-auth-identifier"), IDENTIFIER);
        assert_eq!(allowed.header("x-auth-method"), "access-token");
    }
    for path in ["/jwks", "/.well-known/jwks.json"] {
        let answer = world.get(path, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, J));
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        let keys = &answer.json::<Value>()["keys"];
        assert_eq!(keys.as_array().unwrap().len(), 2, "one signs and one stands by");
        for key in keys.as_array().unwrap() {
            let members: Vec<_> = key.as_object().unwrap().keys().collect();
            assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        }
    }
}

async fn other_methods_are_refused_with_those_that_are_known(on: On) {
    let world = TokenWorld::new(on).await;
    let ask = async |method: &Method, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        answer(world.public(), request).await
    };
    for path in ["/", "/health", "/jwks", "/validate_request"] {
        assert_ne!(ask(&Method::HEAD, path).await.status, 405);
        let refused = ask(&Method::POST, path).await;
        assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "GET,HEAD"));
    }
    for path in ["/authenticate", "/refresh", "/validate"] {
        let refused = ask(&Method::GET, path).await;
        assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "POST"));
        assert_eq!(ask(&Method::POST, &format!("{path}/")).await.status, 404);
    }
    assert_eq!(ask(&Method::GET, "/nothing").await.status, 404);
    // Keys are not registered on the public listener.
    assert_eq!(ask(&Method::POST, "/register_key").await.status, 404);
    assert_eq!(ask(&Method::POST, "/is_key_registered").await.status, 404);
}

#[tokio::test]
async fn each_part_can_be_switched_off_and_stands_under_the_prefix() {
    let world = async |routes: TokenRoutes| {
        let settings = Settings {
            token_routes: routes,
            url_prefix: "/auth".parse().unwrap(),
            ..Settings::new(INSTANCE)
        };
        TokenWorld::with(On::Sqlite, settings, TokenSettings::default()).await
    };
    let off = world(TokenRoutes { external: false, registration: Registration::Off }).await;
    for path in ["/authenticate", "/refresh", "/validate", "/register_key"] {
        assert_eq!(off.post(&format!("/auth{path}"), "{}").await.status, 404, "{path}");
    }
    assert_eq!(off.get("/auth/validate_request", &[]).await.status, 404);
    assert_eq!(off.get("/auth/jwks", &[]).await.status, 200);
    // There it is a route that nobody signed for, and so like one that does not exist.
    assert_eq!(off.register("a key", IDENTIFIER).await.status, 401);

    let on = world(TokenRoutes { external: true, registration: Registration::AlsoPublic }).await;
    let body = json!({ "key": "a key", "identifier": IDENTIFIER });
    assert_eq!(on.post_json("/auth/register_key", &body).await.status, 201);
    assert_eq!(on.post_json("/auth/authenticate", &body).await.status, 200);
    assert_eq!(on.post_json("/authenticate", &body).await.status, 404);
    for root in ["/auth", "/auth/"] {
        assert_eq!(on.get(root, &[]).await.status, 200);
    }
    assert_eq!(on.get("/", &[]).await.status, 404);
    let forward_auth = ["/auth/forward-auth", "/auth/forward-auth/", "/auth/forward-auth/a/b?c"];
    for path in forward_auth {
        assert_eq!(on.get(path, &[]).await.status, 401, "{path}");
    }
    assert_eq!(on.get("/auth/validate_request", &[]).await.status, 403);
    for path in ["/forward-auth", "/validate_request", "/auth/forward-authx"] {
        assert_eq!(on.get(path, &[]).await.status, 404, "{path}");
    }
    for path in ["/auth/validate_request/", "/auth/auth/validate_request"] {
        assert_eq!(on.get(path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_register_nothing() {
    let world = TokenWorld::new(On::Sqlite).await;
    let body = json!({ "key": "a key", "identifier": IDENTIFIER }).to_string();
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let request = Request::post("/register_key").header("host", HOST).header(name, value);
        let request = request.body(Body::from(body.clone())).unwrap();
        assert_eq!(answer(world.internal(), request).await.status, 403);
    }
    let request = Request::post("/register_key").header("host", "evil.example");
    let request = request.body(Body::from(body)).unwrap();
    assert_eq!(answer(world.internal(), request).await.status, 403);
    assert_eq!(world.authenticate("a key", IDENTIFIER).await.status, 401);
}

#[tokio::test]
async fn without_the_service_there_is_nothing() {
    let world = World::new();
    for path in ["/", "/jwks", "/validate_request"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(answer(world.public(), request).await.status, 404);
    }
    let refused = world.ask("Bearer a.b.c").await;
    assert_eq!((refused.status.as_u16(), refused.header("www-authenticate")), (401, "JWT"));
}

#[tokio::test]
async fn the_scheme_word_of_signed_requests_must_not_be_that_of_tokens() {
    let world = TokenWorld::new(On::Sqlite).await;
    let mut settings = Settings::new(INSTANCE);
    settings.policy.scheme = "bearer".into();
    let ports = countersign_server::Ports {
        directory: std::sync::Arc::new(world.directory.clone()),
        guard: std::sync::Arc::new(crate::support::ports::TestGuard::default()),
        store: std::sync::Arc::new(world.directory.clone()),
        visits: std::sync::Arc::new(world.store.clone()),
        tokens: Some(world.tokens.clone()),
        clock: world.clock.clone(),
        random: world.random.clone(),
    };
    let refused = countersign_server::Service::new(ports, settings).err();
    assert_eq!(refused, Some(SettingsError::SchemeTaken));
}

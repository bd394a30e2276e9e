//! The middleware in front of a real server.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use countersign_client::{AccountName, PrivateKey, SignRequests, Signer};
use countersign_core::{KeyKind, UnverifiedToken};
use reqwest::{Request, Url};
use reqwest_middleware::{ClientBuilder, Middleware, Next};

/// The Authorization header of each request that arrived.
#[derive(Clone, Default)]
struct Arrived(Arc<Mutex<Vec<Option<String>>>>);

impl Arrived {
    fn authorizations(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().clone()
    }

    fn nonces(&self) -> Vec<String> {
        let nonce = |header: Option<String>| {
            let header = header.unwrap();
            let token = UnverifiedToken::parse(header.strip_prefix("JWT ").unwrap()).unwrap();
            format!("{:?}", token.unverified_claims().nonce())
        };
        self.authorizations().into_iter().map(nonce).collect()
    }
}

/// Answers 503 to the first request, 303 below `/moved`, 200 to all others.
async fn answer(State(arrived): State<Arrived>, uri: Uri, headers: HeaderMap) -> Response {
    let header = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let mut arrived = arrived.0.lock().unwrap();
    arrived.push(header);
    match (uri.path(), arrived.len()) {
        ("/moved", _) => Redirect::to("/here").into_response(),
        ("/unreliable", 1) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => StatusCode::OK.into_response(),
    }
}

async fn serve() -> (Url, Arrived) {
    let arrived = Arrived::default();
    let router = Router::new().fallback(answer).with_state(arrived.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, arrived)
}

fn signer() -> Signer {
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    Signer::new(AccountName::new("alice").unwrap(), key)
}

/// Tries a second time when the server says that it is not available.
struct RetryOnce;

#[async_trait]
impl Middleware for RetryOnce {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let again = request.try_clone().unwrap();
        let response = next.clone().run(request, extensions).await?;
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            return next.run(again, extensions).await;
        }
        Ok(response)
    }
}

#[tokio::test]
async fn a_retry_outside_carries_a_new_nonce() {
    let (url, arrived) = serve().await;
    let sign = SignRequests::to([url.clone()], signer());
    let client = ClientBuilder::new(reqwest::Client::new()).with(RetryOnce).with(sign).build();
    let response = client.get(url.join("unreliable").unwrap()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let nonces = arrived.nonces();
    assert_eq!(nonces.len(), 2);
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn a_retry_inside_repeats_the_token_which_is_why_the_order_is_documented() {
    let (url, arrived) = serve().await;
    let sign = SignRequests::to([url.clone()], signer());
    let client = ClientBuilder::new(reqwest::Client::new()).with(sign).with(RetryOnce).build();
    client.get(url.join("unreliable").unwrap()).send().await.unwrap();
    let nonces = arrived.nonces();
    assert_eq!(nonces.len(), 2);
    assert_eq!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn a_header_that_is_there_is_replaced() {
    let (url, arrived) = serve().await;
    let client = SignRequests::to([url.clone()], signer()).client().unwrap();
    client.get(url).header("authorization", "JWT old").send().await.unwrap();
    let headers = arrived.authorizations();
    assert!(headers[0].as_ref().unwrap().starts_with("JWT ey"));
}

#[tokio::test]
async fn other_origins_get_no_token() {
    let (home, at_home) = serve().await;
    let (stranger, at_stranger) = serve().await;
    let client = SignRequests::to([home.clone()], signer()).client().unwrap();
    client.get(stranger).send().await.unwrap();
    client.get(home).send().await.unwrap();
    assert_eq!(at_stranger.authorizations(), [None]);
    assert!(at_home.authorizations()[0].is_some());
}

#[tokio::test]
async fn the_client_follows_no_redirect() {
    let (url, arrived) = serve().await;
    let client = SignRequests::to([url.clone()], signer()).client().unwrap();
    let response = client.get(url.join("moved").unwrap()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(arrived.authorizations().len(), 1);
}

#[tokio::test]
async fn an_algorithm_that_does_not_fit_fails_before_anything_is_sent() {
    let (url, arrived) = serve().await;
    let signer = signer().with_algorithm(countersign_client::Algorithm::Rs512);
    let client = SignRequests::to([url.clone()], signer).client().unwrap();
    let error = client.get(url).send().await.unwrap_err();
    assert!(error.to_string().contains("RS512"), "{error}");
    assert!(arrived.authorizations().is_empty());
}

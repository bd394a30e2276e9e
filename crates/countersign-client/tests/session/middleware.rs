//! The middleware in front of services that refuse tokens.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use countersign_client::{AuthorizeRequests, Session, SessionError};
use reqwest::Url;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::{Reply, Server, key, serve};

/// A service that takes all tokens but those it was told to refuse.
#[derive(Clone, Default)]
struct Api(Arc<Mutex<ApiState>>);

#[derive(Default)]
struct ApiState {
    refused: Vec<String>,
    seen: Vec<(Option<String>, String)>,
}

impl Api {
    fn start() -> (Url, Self) {
        let api = Self::default();
        (serve(Router::new().fallback(answer).with_state(api.clone())), api)
    }

    async fn refuse_the_token_of(&self, session: &Session) -> String {
        let bearer = format!("Bearer {}", session.access_token().await.unwrap().reveal());
        self.0.lock().unwrap().refused.push(bearer.clone());
        bearer
    }

    fn authorizations(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().seen.iter().map(|(header, _)| header.clone()).collect()
    }

    fn bodies(&self) -> Vec<String> {
        self.0.lock().unwrap().seen.iter().map(|(_, body)| body.clone()).collect()
    }
}

async fn answer(State(api): State<Api>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let header = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let mut api = api.0.lock().unwrap();
    api.seen.push((header.clone(), body));
    match uri.path() {
        "/moved" => Redirect::temporary("/here").into_response(),
        "/closed" => StatusCode::UNAUTHORIZED.into_response(),
        _ if header.is_some_and(|header| api.refused.contains(&header)) => {
            StatusCode::UNAUTHORIZED.into_response()
        }
        _ => StatusCode::OK.into_response(),
    }
}

fn session_error(error: &reqwest_middleware::Error) -> &SessionError {
    match error {
        reqwest_middleware::Error::Middleware(error) => error.downcast_ref().unwrap(),
        reqwest_middleware::Error::Reqwest(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn each_request_carries_the_token_in_place_of_what_was_there() {
    let (server, (url, api)) = (Server::start(), Api::start());
    let session = server.session(key());
    let client = AuthorizeRequests::to([url.clone()], session.clone()).client().unwrap();
    for _ in 0..2 {
        client.get(url.clone()).header("authorization", "Bearer old").send().await.unwrap();
    }
    let bearer = format!("Bearer {}", session.access_token().await.unwrap().reveal());
    assert_eq!(api.authorizations(), [Some(bearer.clone()), Some(bearer)]);
    assert_eq!(server.paths(), ["authenticate"]);
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_request_sent_again_with_its_body() {
    let (server, (url, api)) = (Server::start(), Api::start());
    let session = server.session(key());
    let refused = api.refuse_the_token_of(&session).await;
    let client = AuthorizeRequests::to([url.clone()], session).client().unwrap();
    let response = client.post(url).body("order 66").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(api.bodies(), ["order 66", "order 66"]);
    let authorizations = api.authorizations();
    assert_eq!(authorizations[0].as_ref(), Some(&refused));
    assert_ne!(authorizations[1].as_ref(), Some(&refused));
    assert_eq!(server.paths(), ["authenticate", "refresh"]);
}

#[tokio::test]
async fn a_second_refusal_is_the_answer() {
    let (server, (url, api)) = (Server::start(), Api::start());
    let client = AuthorizeRequests::to([url.clone()], server.session(key())).client().unwrap();
    let response = client.get(url.join("closed").unwrap()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(api.authorizations().len(), 2);
}

#[tokio::test]
async fn a_stream_is_not_sent_again_but_its_token_is_replaced() {
    let (server, (url, api)) = (Server::start(), Api::start());
    let session = server.session(key());
    let refused = api.refuse_the_token_of(&session).await;
    let client = AuthorizeRequests::to([url.clone()], session.clone()).client().unwrap();
    let stream = reqwest::Body::wrap("once".to_owned());
    let response = client.post(url).body(stream).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(api.bodies(), ["once"]);
    let next = format!("Bearer {}", session.access_token().await.unwrap().reveal());
    assert_ne!(next, refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_requests_are_refused_one_renewal_follows() {
    const REQUESTS: usize = 64;
    let (server, (url, api)) = (Server::start(), Api::start());
    let session = server.session(key());
    let client = AuthorizeRequests::to([url.clone()], session.clone()).client().unwrap();
    let refused = api.refuse_the_token_of(&session).await;
    let at_once = Arc::new(Barrier::new(REQUESTS));
    let mut tasks = JoinSet::new();
    for _ in 0..REQUESTS {
        let (client, url, at_once) = (client.clone(), url.clone(), Arc::clone(&at_once));
        tasks.spawn(async move {
            at_once.wait().await;
            client.get(url).send().await.unwrap().status()
        });
    }
    assert_eq!(tasks.join_all().await, [StatusCode::OK; REQUESTS]);
    assert!(api.authorizations().contains(&Some(refused)));
    assert_eq!(server.paths(), ["authenticate", "refresh"]);
}

#[tokio::test]
async fn other_origins_get_no_token() {
    let (server, (home, at_home), (stranger, at_stranger)) =
        (Server::start(), Api::start(), Api::start());
    let client = AuthorizeRequests::to([home.clone()], server.session(key())).client().unwrap();
    let response = client.get(stranger.join("closed").unwrap()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    client.get(home).send().await.unwrap();
    assert_eq!(at_stranger.authorizations(), [None]);
    assert!(at_home.authorizations()[0].is_some());
}

#[tokio::test]
async fn the_client_follows_no_redirect() {
    let (server, (url, api)) = (Server::start(), Api::start());
    let client = AuthorizeRequests::to([url.clone()], server.session(key())).client().unwrap();
    let response = client.get(url.join("moved").unwrap()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(api.authorizations().len(), 1);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let (server, (url, api)) = (Server::start(), Api::start());
    server.will("authenticate", [Reply::Status(401)]);
    let client = AuthorizeRequests::to([url.clone()], server.session(key())).client().unwrap();
    let error = client.get(url).send().await.unwrap_err();
    assert_eq!(*session_error(&error), SessionError::KeyRefused);
    assert!(api.authorizations().is_empty());
}

#[tokio::test]
async fn a_refused_token_that_cannot_be_replaced_is_an_error() {
    let (server, (url, api)) = (Server::start(), Api::start());
    let session = server.session(crate::support::held(&server.clock, 0));
    api.refuse_the_token_of(&session).await;
    let client = AuthorizeRequests::to([url.clone()], session).client().unwrap();
    let error = client.get(url).send().await.unwrap_err();
    assert_eq!(*session_error(&error), SessionError::NothingLeft);
}

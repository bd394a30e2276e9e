//! A service that answers as it is told, and what a session needs to speak to it.

use std::collections::{HashMap, VecDeque};
use std::future::IntoFuture as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_client::{
    AccessToken, ApiKey, Credentials, RefreshToken, RetryPolicy, Service, ServiceBuilder, Session,
};
use countersign_core::{Clock, UnixTime};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

pub(crate) const KEY: &str = "cs_the-key-of-this-test";
pub(crate) const IDENTIFIER: Uuid = Uuid::from_u128(0x0190_f3c1_7e6d_7cc0_9a53_0c1f_6f1d_2a11);
/// How long the service's tokens are good for.
pub(crate) const LIFETIME: i64 = 900;
const START: i64 = 1_800_000_000;

/// What never comes is not waited for for ever.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(20);

/// Three attempts, with pauses that a test does not notice.
pub(crate) const QUICK: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(1),
    longest_retry_after: Duration::from_millis(1),
    attempt_time: Duration::from_secs(20),
    total_time: Duration::from_mins(1),
};

/// A clock that a test sets.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// One answer of the service.
#[derive(Clone)]
pub(crate) enum Reply {
    Status(u16),
    /// 503 that asks to wait for so many seconds.
    Busy(u64),
    Redirect(u16, String),
    Json(Value),
    Text(String),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// The service, on a thread of its own, so that it answers whatever a test blocks.
pub(crate) struct Server {
    pub(crate) url: Url,
    pub(crate) clock: Arc<TestClock>,
    state: Arc<ServerState>,
}

struct ServerState {
    seen: Mutex<Vec<Seen>>,
    arrived: watch::Sender<usize>,
    /// By the last part of the path. When one is used up, tokens are given out.
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    /// Each answer takes a permit while there is a gate.
    gate: Mutex<Option<Arc<Semaphore>>>,
    clock: Arc<TestClock>,
    ahead: AtomicI64,
    tokens: AtomicI64,
}

impl Server {
    pub(crate) fn start() -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(START)));
        let state = Arc::new(ServerState {
            seen: Mutex::default(),
            arrived: watch::Sender::new(0),
            replies: Mutex::default(),
            gate: Mutex::default(),
            clock: Arc::clone(&clock),
            ahead: AtomicI64::new(0),
            tokens: AtomicI64::new(0),
        });
        let url = serve(Router::new().fallback(answer).with_state(Arc::clone(&state)));
        Self { url, clock, state }
    }

    /// What the next requests to a route are answered, one each.
    pub(crate) fn will(&self, route: &str, replies: impl IntoIterator<Item = Reply>) {
        let mut all = self.state.replies.lock().unwrap();
        all.entry(route.to_owned()).or_default().extend(replies);
    }

    /// The service's clock is so many seconds ahead of the caller's.
    pub(crate) fn is_ahead(&self, seconds: i64) {
        self.state.ahead.store(seconds, Ordering::SeqCst);
    }

    /// Answers nothing until the gate has permits.
    pub(crate) fn gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.state.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    pub(crate) async fn has_seen(&self, requests: usize) {
        let mut arrived = self.state.arrived.subscribe();
        let enough = arrived.wait_for(|arrived| *arrived >= requests);
        tokio::time::timeout(WATCHDOG, enough).await.unwrap().unwrap();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The paths that were asked for, without the slash before each.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path[1..].to_owned()).collect()
    }

    pub(crate) fn service(&self) -> ServiceBuilder {
        Service::at(self.url.clone()).with_clock(self.clock.clone()).with_retries(QUICK)
    }

    pub(crate) fn session(&self, credentials: impl Into<Credentials>) -> Session {
        Session::new(self.service().build().unwrap(), IDENTIFIER, credentials)
    }
}

pub(crate) fn key() -> ApiKey {
    ApiKey::new(KEY).unwrap()
}

pub(crate) fn refresh_token(number: i64) -> RefreshToken {
    RefreshToken::read(&format!("{number:0128x}")).unwrap()
}

/// The text of a token of the service.
pub(crate) fn jwt(claims: &Value) -> String {
    format!("eyJhbGciOiJFUzI1NiJ9.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// A token that was given out `age` seconds before now.
pub(crate) fn held(clock: &TestClock, age: i64) -> AccessToken {
    let iat = clock.now().as_secs() - age;
    AccessToken::new(&jwt(&json!({ "iat": iat, "exp": iat + LIFETIME }))).unwrap()
}

/// Serves on a thread of its own, for as long as the test process lives.
pub(crate) fn serve(router: Router) -> Url {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, router).into_future().await
        })
    });
    format!("http://{}/", told.recv().unwrap()).parse().unwrap()
}

async fn answer(
    State(state): State<Arc<ServerState>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let route = path.rsplit('/').next().unwrap_or_default().to_owned();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    state.seen.lock().unwrap().push(Seen { path, headers, body });
    state.arrived.send_modify(|arrived| *arrived += 1);
    let gate = state.gate.lock().unwrap().clone();
    if let Some(gate) = gate {
        gate.acquire().await.unwrap().forget();
    }
    let reply = state.replies.lock().unwrap().get_mut(&route).and_then(VecDeque::pop_front);
    match reply.unwrap_or_else(|| state.token(&route)) {
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::Busy(seconds) => {
            let after = [(header::RETRY_AFTER, seconds.to_string())];
            (StatusCode::SERVICE_UNAVAILABLE, after).into_response()
        }
        Reply::Redirect(status, to) => {
            (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, to)]).into_response()
        }
        Reply::Json(value) => axum::Json(value).into_response(),
        Reply::Text(text) => text.into_response(),
    }
}

impl ServerState {
    /// As `jwthenticator` answers: a refresh token comes only with authentication.
    fn token(&self, route: &str) -> Reply {
        let number = self.tokens.fetch_add(1, Ordering::SeqCst) + 1;
        let iat = self.clock.now().as_secs() + self.ahead.load(Ordering::SeqCst);
        let jwt = jwt(&json!({ "token_id": number, "iat": iat, "exp": iat + LIFETIME }));
        let refresh_token = (route == "authenticate").then(|| format!("{number:0128x}"));
        Reply::Json(json!({ "jwt": jwt, "refresh_token": refresh_token }))
    }
}

//! What the log says, and what it never says.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Once};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use countersign_core::PrivateKey;
use countersign_server::api::routes;
use countersign_server::layers::{Layers, Limits};
use countersign_server::{ReadinessCheck, RequestContexts, Settings, TrustedProxies};
use http::{HeaderMap, Request};
use serde_json::json;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::OptionalWriter;

use crate::support::http2;
use crate::support::ports::TestRandom;
use crate::support::raw::{Connection, serve};
use crate::support::{INSTANCE, World, answer, public_from};

thread_local! {
    /// Where this thread's log goes, and down to which level.
    static CAPTURED: RefCell<Option<(Level, Log)>> = const { RefCell::new(None) };
}

/// Everything that is logged by this thread while its guard lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// One subscriber serves all threads for good: what it is asked by each
    /// place that logs is remembered there, also when another test comes first.
    fn capture(level: Level) -> (Self, Capturing) {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(Level::TRACE)
                .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
                .with_writer(OfThisThread)
                .with_ansi(false)
                .init();
        });
        let log = Self::default();
        CAPTURED.set(Some((level, log.clone())));
        (log, Capturing)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Ends the capture when it is dropped.
struct Capturing;

impl Drop for Capturing {
    fn drop(&mut self) {
        CAPTURED.set(None);
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct OfThisThread;

impl<'a> MakeWriter<'a> for OfThisThread {
    type Writer = OptionalWriter<Log>;

    fn make_writer(&'a self) -> Self::Writer {
        CAPTURED.with_borrow(|captured| match captured {
            Some((_, log)) => OptionalWriter::some(log.clone()),
            None => OptionalWriter::none(),
        })
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        let wanted = |(level, _): &(Level, Log)| metadata.level() <= level;
        if CAPTURED.with_borrow(|captured| captured.as_ref().is_some_and(wanted)) {
            self.make_writer()
        } else {
            OptionalWriter::none()
        }
    }
}

#[tokio::test]
async fn a_refusal_is_logged_with_its_reason_and_the_id_that_the_caller_was_told() {
    let world = World::new();
    let signer = world.account("grü worker", &[]).await;
    let token = world.authorization(&signer);
    let (log, _guard) = Log::capture(Level::INFO);
    assert_eq!(world.ask(&token).await.status, 200);
    assert_eq!(log.text(), "", "what is as it should be is not worth a line");

    let request = Request::get("/forward-auth?password=secret")
        .header("authorization", &token)
        .header("x-forwarded-for", "203.0.113.9");
    let router = public_from(&world.service, "127.0.0.1:4711");
    let refused = answer(router, request.body(Body::empty()).unwrap()).await;
    let text = log.text();
    let line = text.trim_end();
    for part in [
        "INFO",
        "refused",
        r#"reason="replayed""#,
        r#"claimed_account="grü worker""#,
        &format!("request_id={:?}", refused.header("x-request-id")),
        "peer=127.0.0.1",
        "client=203.0.113.9",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(line.lines().count(), 1);
    assert!(!line.contains("password"));
}

/// A name from a stranger's token cannot begin a line of its own or hide one.
#[tokio::test]
async fn a_claimed_account_cannot_forge_log_lines() {
    let world = World::new();
    let (log, _guard) = Log::capture(Level::INFO);
    let key = PrivateKey::generate(countersign_core::KeyKind::Ed25519).unwrap();
    let name = countersign_core::AccountName::new("x\" reason=\"none\" y=\"").unwrap();
    let stranger = countersign_core::RequestSigner::new(name, key);
    world.ask(&world.authorization(&stranger)).await;
    let text = log.text();
    assert!(text.contains(r#"claimed_account="x\" reason=\"none\" y=\"""#), "{text}");
}

/// Whatever handles a request may print its headers.
#[tokio::test]
async fn credentials_are_marked_as_secret_before_anything_sees_them() {
    let layers = Layers::new(
        Arc::new(RequestContexts::new(TrustedProxies::default(), &TestRandom::default())),
        Limits::PUBLIC,
        |_| Response::default(),
    );
    let print = |headers: HeaderMap| async move { format!("{headers:?}") };
    let router = layers.observe(layers.limit(Router::new().route("/", get(print))));
    let request = Request::get("/")
        .header("authorization", "JWT secret-1")
        .header("authorization", "JWT secret-2")
        .header("proxy-authorization", "Basic secret-3")
        .header("x-other", "open");
    let printed = answer(router, request.body(Body::empty()).unwrap()).await.body;
    assert!(printed.contains("open") && printed.contains("authorization"));
    assert!(!printed.contains("secret"), "{printed}");
}

/// A run over real sockets at the most verbose level: every route, good and bad.
#[tokio::test]
async fn no_secret_is_ever_logged() {
    let world = World::new();
    let (log, _guard) = Log::capture(Level::TRACE);
    let admin = world.account("root", &["admin"]).await;
    let worker = world.account("worker", &[]).await;
    let mut secrets = Vec::new();

    let public = serve(world.public()).await;
    let mut connection = Connection::open(public).await;
    let good = world.authorization(&worker);
    let mut forged = world.authorization(&worker);
    forged.replace_range(forged.len() - 20.., &"A".repeat(20));
    let basic = "Basic d29ya2VyOmh1bnRlcjI=".to_owned();
    for authorization in [&good, &good, &forged, &basic, &format!("{good}, {basic}")] {
        let head =
            "GET /forward-auth?api_key=hunter3 HTTP/1.1\r\nhost: x\r\ncookie: session=hunter4";
        let proxy = "proxy-authorization: Basic aHVudGVyNQ==";
        connection
            .send(format!("{head}\r\n{proxy}\r\nauthorization: {authorization}\r\n\r\n"))
            .await;
        connection.answer().await;
    }
    world.directory.is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    let outage = world.authorization(&worker);
    world.ask(&outage).await;
    world.directory.is_down.store(false, std::sync::atomic::Ordering::SeqCst);

    let internal = serve(world.internal()).await;
    let mut connection = Connection::open(internal).await;
    let pasted_by_mistake = PrivateKey::generate(countersign_core::KeyKind::P256).unwrap();
    let private = pem_lines(&pasted_by_mistake);
    let body = json!({ "public_key": private.join("\n") }).to_string();
    let request = world.signed(&admin, "POST", "/v1/accounts/worker/keys", &body);
    let operators = request.headers()["authorization"].to_str().unwrap().to_owned();
    for authorization in [&operators, &operators] {
        let head = "POST /v1/accounts/worker/keys HTTP/1.1\r\nhost: localhost:8081";
        let length = format!("content-type: application/json\r\ncontent-length: {}", body.len());
        connection
            .send(format!("{head}\r\n{length}\r\nauthorization: {authorization}\r\n\r\n{body}"))
            .await;
        connection.answer().await;
    }
    world.call(&admin, "GET", routes::AUDIT, "").await;
    let over_http2 = world.authorization(&worker);
    let url = format!("http://{public}/forward-auth");
    assert_eq!(http2::status("GET", url, over_http2.clone(), "").await, 200);

    for authorization in [&good, &forged, &outage, &operators, &over_http2] {
        let token = authorization.trim_start_matches("JWT ");
        secrets.push(token.to_owned());
        secrets.extend(token.split('.').skip(1).map(str::to_owned));
    }
    secrets.extend(["d29ya2VyOmh1bnRlcjI", "hunter3", "hunter4", "aHVudGVyNQ"].map(str::to_owned));
    secrets.extend(private[1..private.len() - 1].iter().cloned());
    let text = log.text();
    for expected in
        ["TRACE", "DEBUG", "refused", "replayed", "signature_invalid", "connection refused"]
    {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} is in the log");
    }
}

fn pem_lines(key: &PrivateKey) -> Vec<String> {
    let pem = key.to_pkcs8_pem(None, &TestRandom::default()).unwrap();
    pem.lines().map(str::to_owned).collect()
}

/// Works or not.
struct Engine(Arc<AtomicBool>);

#[async_trait]
impl ReadinessCheck for Engine {
    fn name(&self) -> &'static str {
        "engine"
    }

    async fn check(&self) -> Result<(), String> {
        if self.0.load(SeqCst) { Ok(()) } else { Err("it is away".to_owned()) }
    }
}

/// Load balancers ask every second, and an outage may be long.
#[tokio::test]
async fn an_outage_is_said_once_and_its_end_once_however_often_somebody_asks() {
    let (log, _capturing) = Log::capture(Level::INFO);
    let works = Arc::new(AtomicBool::new(true));
    let checks: Vec<Arc<dyn ReadinessCheck>> = vec![Arc::new(Engine(Arc::clone(&works)))];
    let world = World::with(Settings { checks, ..Settings::new(INSTANCE) });
    for is_well in [true, false, true, false] {
        works.store(is_well, SeqCst);
        for _ in 0..5 {
            world.clock.advance(1);
            let asked = Request::get("/health/ready").body(Body::empty()).unwrap();
            let status = answer(world.public(), asked).await.status;
            assert_eq!(status.is_success(), is_well);
        }
    }
    let text = log.text();
    let lines = |said: &str| text.lines().filter(|line| line.contains(said)).count();
    assert_eq!((lines("not ready"), lines("ready again")), (2, 1), "{text}");
}

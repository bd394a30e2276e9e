//! Traces, taken by a small collector that speaks OTLP over HTTP.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as Any, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::time::Instant;

use crate::support::{Sandbox, Server, wait_for};

const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const PARENT: u64 = 0x00f0_67aa_0ba9_02b7;
/// Sends spans soon.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "100");

/// What a collector got.
#[derive(Default)]
struct Collected {
    bodies: Vec<u8>,
    heads: String,
    requests: Vec<ExportTraceServiceRequest>,
}

struct Collector {
    url: String,
    collected: Arc<Mutex<Collected>>,
}

impl Collector {
    /// One that answers, or one that takes everything and says nothing.
    fn start(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collected = Arc::<Mutex<Collected>>::default();
        let all = Arc::clone(&collected);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for connection in listener.incoming() {
                let connection = connection.unwrap();
                if answers {
                    let all = Arc::clone(&all);
                    std::thread::spawn(move || take(connection, &all));
                } else {
                    all.lock().unwrap().heads.push_str("somebody connected\n");
                    silent.push(connection);
                }
            }
        });
        Self { url, collected }
    }

    fn spans(&self) -> Vec<Span> {
        let collected = self.collected.lock().unwrap();
        let resources = collected.requests.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// What is said of the service.
    fn resource(&self, key: &str) -> String {
        let collected = self.collected.lock().unwrap();
        let resource = collected.requests[0].resource_spans[0].resource.as_ref().unwrap();
        text(&resource.attributes, key)
    }

    fn is_untouched(&self) -> bool {
        let collected = self.collected.lock().unwrap();
        collected.heads.is_empty() && collected.requests.is_empty()
    }
}

/// Answers each request on a connection.
fn take(connection: TcpStream, all: &Mutex<Collected>) {
    let mut reader = BufReader::new(connection);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        let mut body = vec![0; length.unwrap()];
        reader.read_exact(&mut body).unwrap();
        let request = ExportTraceServiceRequest::decode(&*body).unwrap();
        let mut collected = all.lock().unwrap();
        collected.heads.push_str(&head);
        collected.bodies.extend_from_slice(&body);
        collected.requests.push(request);
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        reader.get_mut().write_all(answer).unwrap();
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()) {
        Some(Any { value: Some(AnyValue::StringValue(text)) }) => text,
        Some(Any { value: Some(AnyValue::IntValue(number)) }) => number.to_string(),
        other => panic!("{key} is {other:?} in {attributes:?}"),
    }
}

/// Asks as a caller that is traced itself.
fn ask(server: &Server, authorization: &str) -> u16 {
    let request = reqwest::Client::new()
        .get(server.public("/forward-auth?password=secret-word"))
        .header("authorization", authorization)
        .header("traceparent", format!("00-{TRACE:032x}-{PARENT:016x}-01"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(request.send()).unwrap().status().as_u16()
}

fn sends_traces(server: &Server) -> bool {
    let tasks = format!("/proc/{}/task", server.pid().as_raw_nonzero());
    let names = fs::read_dir(tasks).unwrap().map(|task| {
        // A thread may have ended meanwhile.
        fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default()
    });
    names.into_iter().any(|name| name.starts_with("OpenTelemetry"))
}

#[test]
fn a_request_is_a_span_of_its_callers_trace_and_tells_no_secret() {
    let (sandbox, collector) = (Sandbox::new(), Collector::start(true));
    let server = sandbox.serve(&["--otlp-endpoint", &collector.url, "--log-format", "json"]);
    assert!(sends_traces(&server));
    sandbox.account("robot");
    let token = sandbox.authorization("robot");
    assert_eq!(ask(&server, &token), 200);
    assert_eq!(ask(&server, &token), 401);
    // What is left is sent at the end.
    let log = server.stop();

    let spans = collector.spans();
    let of_caller = spans.iter().filter(|span| span.trace_id == TRACE.to_be_bytes());
    let below: Vec<_> =
        of_caller.clone().filter(|span| span.parent_span_id == PARENT.to_be_bytes()).collect();
    let [allowed, refused] = below[..] else { panic!("{spans:?}") };
    for (span, outcome, status) in [(allowed, "allowed", "200"), (refused, "refused", "401")] {
        assert_eq!((&*span.name, span.kind), ("GET /forward-auth", 2), "SPAN_KIND_SERVER");
        let attribute = |key| text(&span.attributes, key);
        assert_eq!(attribute("http.request.method"), "GET");
        assert_eq!(attribute("http.route"), "/forward-auth");
        assert_eq!(attribute("http.response.status_code"), status);
        assert_eq!(attribute("countersign.outcome"), outcome);
        assert!(span.events.is_empty(), "{span:?}");
    }
    assert_eq!(text(&refused.attributes, "countersign.reason"), "replayed");
    let mut guarded = of_caller.filter(|span| span.name == "replay_guard.spend");
    let spend = guarded.next().expect("a use");
    assert_eq!(spend.parent_span_id, allowed.span_id);
    assert_eq!(text(&spend.attributes, "countersign.outcome"), "accepted");
    // Administrative acts are written down, and those statements are in their traces.
    let statement = spans.iter().find(|span| span.name == "database").expect("a statement");
    assert!(text(&statement.attributes, "db.query.text").contains("$1"), "{statement:?}");
    assert!(spans.iter().any(|span| span.span_id == statement.parent_span_id));

    // A name that a caller chose is in no route.
    let created = spans.iter().find(|span| span.name == "POST /v1/accounts").expect("a call");
    assert_eq!(text(&created.attributes, "http.route"), "/v1/accounts");
    let added = spans.iter().find(|span| span.name == "POST /v1/accounts/{name}/keys");
    assert_eq!(text(&added.unwrap().attributes, "http.route"), "/v1/accounts/{name}/keys");

    assert_eq!(collector.resource("service.name"), "countersign");
    let sent = collector.collected.lock().unwrap();
    assert!(sent.heads.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", sent.heads);
    let sent = String::from_utf8_lossy(&sent.bodies).into_owned();
    let signature = token.rsplit('.').next().unwrap();
    let key = fs::read_to_string(sandbox.path("robot.key")).unwrap();
    let key = key.lines().nth(1).unwrap();
    for secret in ["secret-word", signature, &token, key, "robot"] {
        assert!(!sent.contains(secret), "{secret}");
    }
    let line = log.lines().find(|line| line.contains("replayed")).unwrap();
    assert!(line.contains(&format!("\"trace_id\":\"{TRACE:032x}\"")), "{line}");
}

#[test]
fn the_standard_variables_will_do() {
    let (sandbox, collector) = (Sandbox::new(), Collector::start(true));
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url), ("OTEL_SERVICE_NAME", "edge"), SOON];
    let server = sandbox.serve_with(&[], &variables);
    assert_eq!(ask(&server, "JWT nonsense"), 401);
    wait_for("a span", || (!collector.spans().is_empty()).then_some(()));
    assert_eq!(collector.resource("service.name"), "edge");
}

#[test]
fn without_a_collector_nothing_is_sent_and_nobody_sends() {
    let (sandbox, collector) = (Sandbox::new(), Collector::start(true));
    let server = sandbox.serve_with(&[], &[SOON]);
    assert_eq!(ask(&server, "JWT nonsense"), 401);
    assert!(!sends_traces(&server));
    assert!(!server.stop().contains(&format!("{TRACE:032x}")));
    let off = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url), ("OTEL_SDK_DISABLED", "true")];
    let server = sandbox.serve_with(&[], &off);
    assert_eq!(ask(&server, "JWT nonsense"), 401);
    assert!(!sends_traces(&server));
    server.stop();
    assert!(collector.is_untouched());
}

#[test]
fn a_collector_that_hangs_makes_nobody_wait() {
    let (sandbox, collector) = (Sandbox::new(), Collector::start(false));
    let server = sandbox.serve_with(&["--otlp-endpoint", &collector.url], &[SOON]);
    assert_eq!(ask(&server, "JWT nonsense"), 401);
    wait_for("the collector to hang", || (!collector.is_untouched()).then_some(()));
    let before = Instant::now();
    for _ in 0..60 {
        assert_eq!(ask(&server, "JWT nonsense"), 401);
    }
    // Each would have waited for the five seconds that a collector may take.
    assert!(before.elapsed() < Duration::from_mins(2));
    wait_for("the loss to be said", || server.log().contains("takes no spans").then_some(()));
    let log = server.stop();
    assert_eq!(log.matches("takes no spans").count(), 1, "{log}");
}

#[test]
fn a_collector_that_is_away_keeps_no_server_from_starting() {
    let sandbox = Sandbox::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    let server = sandbox.serve_with(&["--otlp-endpoint", &url], &[SOON]);
    for _ in 0..3 {
        assert_eq!(ask(&server, "JWT nonsense"), 401);
        wait_for("the loss to be said", || server.log().contains("takes no spans").then_some(()));
    }
    let log = server.stop();
    assert_eq!(log.matches("takes no spans").count(), 1, "{log}");
    let said = sandbox.fails(2, &["serve", "--otlp-endpoint", "http://me:secret@host"]);
    assert!(said.contains("otlp_endpoint") && !said.contains("secret"), "{said}");
}

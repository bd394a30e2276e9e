//! What operators see of all that goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use countersign_server::{
    ClockReading, DirectoryReading, JwksReading, METRICS, PoolReading, Settings, Surroundings,
    SurroundingsReading, TokenSettings,
};
use http::{Request, StatusCode};
use prometheus_parse::{LineInfo, Sample, SampleType, Scrape, Value};

use crate::support::tokens::{IDENTIFIER, On, TokenWorld};
use crate::support::{HOST, INSTANCE, World, answer};

/// What is exported at one moment.
struct Exported {
    text: String,
    samples: Vec<Sample>,
}

async fn scrape(internal: Router) -> Exported {
    let request = Request::get(METRICS).header("host", HOST).body(Body::empty()).unwrap();
    let answer = answer(internal, request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in answer.body.lines() {
        let known = !matches!(LineInfo::parse(line), LineInfo::Empty | LineInfo::Ignored);
        assert!(known, "not in the format: {line}");
    }
    let lines = answer.body.lines().map(|line| Ok(line.to_owned()));
    let samples = Scrape::parse(lines).unwrap().samples;
    Exported { text: answer.body, samples }
}

impl Exported {
    /// The sample with this name and these labels.
    #[track_caller]
    fn find(&self, name: &str, labels: &[(&str, &str)]) -> &Value {
        let mut fitting = self.samples.iter().filter(|sample| {
            sample.metric == format!("countersign_{name}")
                && labels.iter().all(|(label, value)| sample.labels.get(label) == Some(*value))
        });
        let found = fitting.next().unwrap_or_else(|| panic!("no {name} {labels:?}"));
        assert!(fitting.next().is_none(), "more than one {name} {labels:?}");
        &found.value
    }

    #[track_caller]
    fn number(&self, name: &str, labels: &[(&str, &str)]) -> u32 {
        match self.find(name, labels) {
            Value::Counter(value) | Value::Gauge(value) => whole(*value),
            other => panic!("{name} is {other:?}"),
        }
    }

    /// How many requests the histogram has seen at this place.
    #[track_caller]
    fn requests(&self, listener: &str, route: &str) -> u32 {
        let labels = [("listener", listener), ("route", route)];
        match self.find("request_duration_seconds", &labels) {
            Value::Histogram(counts) => whole(counts.last().unwrap().count),
            other => panic!("{other:?}"),
        }
    }

    /// The counters of credentials that are not zero.
    fn judged(&self) -> BTreeMap<String, u32> {
        let of = |sample: &Sample, name: &str, label: &str| {
            (sample.metric == name).then(|| {
                let label = sample.labels.get(label).unwrap();
                format!("{} {label}", sample.labels.get("method").unwrap())
            })
        };
        let counted = self.samples.iter().filter_map(|sample| {
            let name = of(sample, "countersign_judgements_total", "outcome")
                .or_else(|| of(sample, "countersign_refusals_total", "reason"))?;
            match sample.value {
                Value::Counter(value) => (value > 0.0).then(|| (name, whole(value))),
                _ => panic!("{name} is no counter"),
            }
        });
        counted.collect()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
fn whole(value: f64) -> u32 {
    let whole = value as u32;
    assert!((f64::from(whole) - value).abs() < f64::EPSILON, "{value} is no whole number");
    whole
}

fn expected(counts: &[(&str, u32)]) -> BTreeMap<String, u32> {
    counts.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
}

#[tokio::test]
async fn signed_requests_count_by_outcome_and_reason() {
    let world = World::new();
    let robot = world.account("robot", &[]).await;
    assert_eq!(scrape(world.internal()).await.judged(), expected(&[]));

    let good = world.authorization(&robot);
    assert_eq!(world.ask(&good).await.status, 200);
    assert_eq!(world.ask(&good).await.status, 401);
    assert_eq!(world.ask(&good).await.status, 401);
    assert_eq!(world.ask("Basic dXNlcjpwYXNz").await.status, 401);
    let unsigned = Request::get("/auth-request").body(Body::empty()).unwrap();
    assert_eq!(answer(world.public(), unsigned).await.status, 401);
    world.guard.is_full.store(true, SeqCst);
    assert_eq!(world.ask(&world.authorization(&robot)).await.status, 503);
    world.directory.is_down.store(true, SeqCst);
    assert_eq!(world.ask(&world.authorization(&robot)).await.status, 503);

    let exported = scrape(world.internal()).await;
    let counts = [
        ("signed-request allowed", 1),
        ("signed-request refused", 2),
        ("signed-request replayed", 2),
        ("signed-request unavailable", 2),
        ("none refused", 2),
        ("none scheme_other", 1),
        ("none header_missing", 1),
    ];
    assert_eq!(exported.judged(), expected(&counts));
    assert_eq!(exported.requests("public", "forward-auth"), 6);
    assert_eq!(exported.requests("public", "auth-request"), 1);
    assert_eq!(exported.requests("public", "ext-authz"), 0);
    assert_eq!(exported.number("replay_guard_live_nonces", &[]), 1);
}

#[tokio::test]
async fn operators_count_too() {
    let world = World::new();
    let (admin, robot) =
        (world.account("ops", &["admin"]).await, world.account("robot", &[]).await);
    assert_eq!(world.call(&admin, "GET", "/v1/accounts", "").await.status, 200);
    assert_eq!(world.call(&robot, "GET", "/v1/accounts", "").await.status, 403);
    let spent = world.signed(&admin, "GET", "/v1/audit", "");
    let again = spent.headers()["authorization"].clone();
    assert_eq!(answer(world.internal(), spent).await.status, 200);
    let again = Request::get("/v1/audit").header("host", HOST).header("authorization", again);
    assert_eq!(answer(world.internal(), again.body(Body::empty()).unwrap()).await.status, 401);
    let unsigned = Request::get("/v1/audit").header("host", HOST).body(Body::empty()).unwrap();
    assert_eq!(answer(world.internal(), unsigned).await.status, 401);
    let console = Request::get("/console").header("host", HOST).body(Body::empty()).unwrap();
    answer(world.internal(), console).await;

    let exported = scrape(world.internal()).await;
    let counts = [
        ("signed-request allowed", 2),
        ("signed-request refused", 2),
        ("signed-request not_allowed", 1),
        ("signed-request replayed", 1),
        ("none refused", 1),
        ("none header_missing", 1),
    ];
    assert_eq!(exported.judged(), expected(&counts));
    assert_eq!(exported.requests("internal", "administration"), 5);
    assert_eq!(exported.requests("internal", "console"), 1);
}

#[tokio::test]
async fn what_the_rules_say_counts() {
    let rules = r#"
        rules = [{ path = "/open/**", allow = "public" }, { path = "/ops/**", allow = ["ops"] }]
    "#;
    let rules = Arc::new(toml::from_str(rules).unwrap());
    let world = World::with(Settings { rules: Some(rules), ..Settings::new(INSTANCE) });
    let robot = world.account("robot", &[]).await;
    for (path, status) in [("/open/door", 200), ("/ops/panel", 403), ("/elsewhere", 403)] {
        let request = Request::get("/forward-auth")
            .header("authorization", world.authorization(&robot))
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", path);
        let request = request.body(Body::empty()).unwrap();
        assert_eq!(answer(world.public(), request).await.status, status, "{path}");
    }
    let counts = [
        ("none allowed", 1),
        ("none refused", 1),
        ("none not_allowed", 1),
        ("signed-request refused", 1),
        ("signed-request not_allowed", 1),
    ];
    assert_eq!(scrape(world.internal()).await.judged(), expected(&counts));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_tokens_count_by_what_was_shown() {
    let world = TokenWorld::new(On::Sqlite).await;
    let (jwt, refresh_token) = world.session("a-key-of-the-tests", IDENTIFIER).await;
    assert_eq!(world.authenticate("another-key", IDENTIFIER).await.status, 401);
    assert_eq!(world.refresh(&refresh_token, IDENTIFIER).await.status, 200);
    assert_eq!(world.refresh("no-refresh-token", IDENTIFIER).await.status, 401);
    assert_eq!(world.validate(&jwt).await.status, 200);
    assert_eq!(world.validate_request(&jwt).await.status, 200);
    assert_eq!(world.get("/validate_request", &[]).await.status, 403);
    assert_eq!(world.get("/forward-auth", &[&format!("Bearer {jwt}")]).await.status, 200);
    assert_eq!(world.get("/forward-auth", &["Bearer cs_nobody"]).await.status, 401);
    assert_eq!(world.get("/forward-auth", &["Bearer a.b.c"]).await.status, 401);
    let counts = [
        ("api-key allowed", 1),
        ("api-key refused", 2),
        ("api-key api_key_unknown", 2),
        ("refresh-token allowed", 1),
        ("refresh-token refused", 1),
        ("refresh-token refresh_token_unknown", 1),
        ("access-token allowed", 3),
        ("access-token refused", 1),
        ("access-token token_malformed", 1),
        ("none refused", 1),
        ("none header_missing", 1),
    ];
    let exported = scrape(world.internal()).await;
    assert_eq!(exported.judged(), expected(&counts));
    assert_eq!(exported.requests("public", "key-to-token"), 5);
    assert_eq!(exported.requests("public", "validate-request"), 2);
    assert_eq!(exported.requests("internal", "key-to-token"), 1);
}

#[tokio::test]
async fn requests_are_in_flight_until_they_are_answered_or_given_up() {
    let world = World::new();
    let robot = world.account("robot", &[]).await;
    let in_flight = async || {
        let exported = scrape(world.internal()).await;
        (
            exported.number("requests_in_flight", &[("listener", "public")]),
            exported.requests("public", "forward-auth"),
        )
    };
    let permits = world.directory.gate.acquire_many(1000).await.unwrap();
    let authorization = world.authorization(&robot);
    let mut asking = Box::pin(world.ask(&authorization));
    assert!(futures_util::poll!(asking.as_mut()).is_pending());
    assert_eq!(in_flight().await, (1, 0));
    drop(asking);
    assert_eq!(in_flight().await, (0, 1));
    drop(permits);
    assert_eq!(world.ask(&authorization).await.status, 200);
    assert_eq!(in_flight().await, (0, 2));
}

/// A service with everything that can be exported.
async fn everything() -> TokenWorld {
    let surroundings = Surroundings::new(|| SurroundingsReading {
        directory: Some(DirectoryReading {
            complete: true,
            accounts: 7,
            believed: true,
            age: Some(Duration::from_secs(3)),
        }),
        jwks: Some(JwksReading {
            endpoints: 3,
            failing: 1,
            oldest_fetch: Some(countersign_core::UnixTime::from_secs(1_799_999_940)),
        }),
        pools: vec![
            PoolReading { pool: "main", size: 4, idle: 3 },
            PoolReading { pool: "nonces", size: 1, idle: 0 },
        ],
        clocks: vec![ClockReading { reference: "redis", ahead_micros: 2_000_000 }],
        guard_wait: Duration::from_secs(12),
    });
    let settings = Settings { surroundings: Some(surroundings), ..Settings::new(INSTANCE) };
    TokenWorld::with(On::Sqlite, settings, TokenSettings::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_surroundings_are_read_with_each_scrape() {
    let world = everything().await;
    world.clock.advance(30);
    let exported = scrape(world.internal()).await;
    for (name, value) in [
        ("replay_guard_live_nonces", 0),
        ("replay_guard_wait_seconds", 12),
        ("directory_complete", 1),
        ("directory_accounts", 7),
        ("directory_believed", 1),
        ("directory_age_seconds", 3),
        ("jwks_endpoints", 3),
        ("jwks_endpoints_failing", 1),
        ("jwks_oldest_fetch_age_seconds", 90),
        ("signing_key_age_seconds", 30),
        ("build_info", 1),
    ] {
        assert_eq!(exported.number(name, &[]), value, "{name}");
    }
    let pool = |name, pool| exported.number(name, &[("pool", pool)]);
    assert_eq!(pool("database_connections", "main"), 4);
    assert_eq!(pool("database_connections_idle", "main"), 3);
    assert_eq!(pool("database_connections_idle", "nonces"), 0);
    assert_eq!(exported.number("clock_ahead_seconds", &[("reference", "redis")]), 2);
}

#[tokio::test]
async fn services_count_for_themselves() {
    let (one, other) = (World::new(), World::new());
    let robot = one.account("robot", &[]).await;
    assert_eq!(one.ask(&one.authorization(&robot)).await.status, 200);
    assert_eq!(scrape(other.internal()).await.judged(), expected(&[]));
}

#[tokio::test]
async fn the_public_listener_has_none() {
    let world = World::new();
    for path in [METRICS, "/forward-auth/../metrics"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = answer(world.public(), request).await;
        assert!(!answer.body.contains("countersign_"), "{path}");
        assert_ne!(answer.status, StatusCode::OK, "{path}");
    }
    let strange = Request::get(METRICS).header("host", "evil.example").body(Body::empty());
    assert_eq!(answer(world.internal(), strange.unwrap()).await.problem(), "host-not-allowed");
}

/// Name, type and labels of everything that the page lists.
fn documented() -> BTreeSet<(String, String, BTreeSet<String>)> {
    let page = include_str!("../../../../docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `countersign_"));
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let labels = cells[3].split(", ").filter(|label| !label.is_empty());
        let labels = labels.map(|label| label.trim_matches('`').to_owned()).collect();
        assert!(!cells[4].is_empty(), "{line}");
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned(), labels)
    };
    rows.map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_all_there_are_and_no_others() {
    let exported = scrape(everything().await.internal()).await;
    let types = exported.text.lines().filter_map(|line| match LineInfo::parse(line) {
        LineInfo::Type { metric_name, sample_type, .. } => Some((metric_name, sample_type)),
        _ => None,
    });
    let listed = types.map(|(name, sample_type)| {
        let kind = match sample_type {
            SampleType::Counter => "counter",
            SampleType::Gauge => "gauge",
            SampleType::Histogram => "histogram",
            other => panic!("{name} is {other:?}"),
        };
        // So the parser calls histograms.
        let name = name.trim_end_matches("_bucket").to_owned();
        let samples = exported.samples.iter().filter(|sample| sample.metric == name);
        let labels = samples.flat_map(|sample| sample.labels.keys().cloned());
        let labels = labels.collect();
        (name, kind.to_owned(), labels)
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), documented());
}

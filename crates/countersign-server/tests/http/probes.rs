//! Probes, published keys, and what is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use async_trait::async_trait;
use axum::body::Body;
use countersign_core::{JwkSet, KeyKind, PrivateKey};
use countersign_server::api::{Finding, GuardKind, HealthReport};
use countersign_server::self_report::SelfCheck;
use countersign_server::{IdentityHeaders, ReadinessCheck, Settings, SettingsError, StoreCheck};
use http::{HeaderName, Request, StatusCode};

use crate::support::{Answer, HOST, INSTANCE, World, answer};

#[derive(Default)]
struct Switch {
    is_off: AtomicBool,
}

#[async_trait]
impl ReadinessCheck for Switch {
    fn name(&self) -> &'static str {
        "switch"
    }

    async fn check(&self) -> Result<(), String> {
        if self.is_off.load(SeqCst) { Err("secret path".into()) } else { Ok(()) }
    }
}

async fn get(world: &World, path: &str) -> Answer {
    answer(world.public(), Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn ready_while_everything_works_and_nothing_is_being_stopped() {
    let switch = Arc::new(Switch::default());
    let store: Arc<countersign_store::MemoryStore> = Arc::default();
    let checks: Vec<Arc<dyn ReadinessCheck>> = vec![switch.clone(), Arc::new(StoreCheck(store))];
    let world = World::with(Settings { checks, ..Settings::new(INSTANCE) });
    let ready = async || {
        let request = || Request::get("/health/ready").header("host", HOST);
        let public = answer(world.public(), request().body(Body::empty()).unwrap()).await;
        let internal = answer(world.internal(), request().body(Body::empty()).unwrap()).await;
        assert_eq!((public.status, &public.body), (internal.status, &internal.body));
        assert_eq!(public.header("cache-control"), "no-store");
        (public.status.as_u16(), public.body)
    };
    assert_eq!(ready().await, (200, "ready\n".into()));
    switch.is_off.store(true, SeqCst);
    assert_eq!(ready().await.0, 200, "an outcome is given again for a second");
    world.clock.advance(1);
    assert_eq!(ready().await, (503, "not ready: switch\n".into()));
    switch.is_off.store(false, SeqCst);
    world.clock.advance(1);
    assert_eq!(ready().await, (200, "ready\n".into()));
    world.service.readiness().drain();
    assert_eq!(ready().await, (503, "draining\n".into()));
    assert_eq!(get(&world, "/health/live").await.status, StatusCode::OK, "but alive");
}

/// Finds something wrong with what it is called.
struct Finds {
    name: &'static str,
    names_nobody: bool,
}

#[async_trait]
impl SelfCheck for Finds {
    fn name(&self) -> &'static str {
        self.name
    }

    fn names_nobody(&self) -> bool {
        self.names_nobody
    }

    async fn look(&self) -> Vec<Finding> {
        let well = Finding::ok(self.name, "something is well");
        vec![well, Finding::fail(self.name, "it is broken", "mend it")]
    }
}

/// The guard that is away takes no signature, so the reason is told without one; but not to the
/// public, and nothing that names an account.
#[tokio::test]
async fn the_internal_listener_says_without_a_signature_what_is_not_well() {
    let finds = |name, names_nobody| Arc::new(Finds { name, names_nobody }) as Arc<dyn SelfCheck>;
    let identity_headers = IdentityHeaders {
        account: HeaderName::from_static("x-user"),
        ..IdentityHeaders::default()
    };
    let world = World::with(Settings {
        self_checks: vec![finds("engine", true), finds("keys of accounts", false)],
        guard_kind: GuardKind::Redis,
        identity_headers,
        ..Settings::new(INSTANCE)
    });
    let report = || Request::get("/health/report").header("host", HOST).body(Body::empty());
    let said = answer(world.internal(), report().unwrap()).await;
    assert_eq!((said.status, said.header("cache-control")), (StatusCode::OK, "no-store"));
    let said: HealthReport = serde_json::from_str(&said.body).unwrap();
    assert_eq!(said.checks, [Finding::fail("engine", "it is broken", "mend it")]);
    assert_eq!(said.replay_guard, GuardKind::Redis);
    assert!(said.identity_headers.contains(&"x-user".to_owned()), "{said:?}");
    assert_eq!(get(&world, "/health/report").await.status, StatusCode::NOT_FOUND);
    let elsewhere = Request::get("/health/report").header("host", "evil.example");
    let refused = answer(world.internal(), elsewhere.body(Body::empty()).unwrap()).await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
}

#[tokio::test]
async fn our_request_keys_are_published_and_can_be_replaced() {
    let key = |kind| PrivateKey::generate(kind).unwrap().public_key().clone();
    let first = key(KeyKind::Ed25519);
    let settings = Settings { request_keys: vec![first.clone()], ..Settings::new(INSTANCE) };
    let world = World::with(settings);
    let published = async || {
        let answer = get(&world, "/.well-known/request-keys.json").await;
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        assert_eq!(answer.header("content-type"), "application/jwk-set+json");
        let set = JwkSet::read(answer.body.as_bytes()).unwrap();
        assert!(set.skipped.is_empty());
        set.keys.into_iter().map(|jwk| (jwk.key, jwk.kid.unwrap())).collect::<Vec<_>>()
    };
    let kid = first.fingerprints().spki_pem_sha256();
    assert_eq!(published().await, [(first, kid)]);
    let others = [key(KeyKind::P256), key(KeyKind::P384)];
    world.service.request_keys().replace(&others);
    let keys: Vec<_> = published().await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, others);
    world.service.request_keys().replace(&[]);
    assert!(published().await.is_empty());
}

#[tokio::test]
async fn a_prefix_stands_before_every_public_path() {
    let url_prefix = "/auth/v2".parse().unwrap();
    let world = World::with(Settings { url_prefix, ..Settings::new(INSTANCE) });
    for path in [
        "/forward-auth",
        "/forward-auth/x",
        "/health/live",
        "/health/ready",
        "/.well-known/request-keys.json",
    ] {
        let status = get(&world, &format!("/auth/v2{path}")).await.status;
        assert_ne!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(get(&world, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_public_listener_knows_nothing_of_administration() {
    let world = World::new();
    for path in ["/", "/v1/instance", "/v1/accounts", "/forward-authx", "/favicon.ico"] {
        let answer = get(&world, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_FOUND, ""), "{path}");
    }
    let post = Request::post("/health/live").body(Body::empty()).unwrap();
    assert_eq!(answer(world.public(), post).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_gateway_may_name_the_request_but_a_stranger_may_not() {
    let world = World::new();
    let id = async |peer: &str, id: &str| {
        let request = Request::get("/health/live").header("x-request-id", id);
        let router = crate::support::public_from(&world.service, peer);
        let answer = answer(router, request.body(Body::empty()).unwrap()).await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(id("127.0.0.1:1", "from-the.gateway_7").await, "from-the.gateway_7");
    assert_ne!(id("192.0.2.1:1", "from-a-stranger").await, "from-a-stranger");
    for bad in ["", "two words", "quo\"te", &"x".repeat(65)] {
        assert_ne!(id("127.0.0.1:1", bad).await, bad);
    }
    assert_ne!(id("192.0.2.1:1", "").await, id("192.0.2.1:1", "").await);
}

#[test]
fn settings_that_contradict_themselves_are_refused() {
    let error = |change: fn(&mut Settings)| {
        let mut settings = Settings::new(INSTANCE);
        change(&mut settings);
        World::try_with(settings).err()
    };
    assert_eq!(error(|_| ()), None);
    let audience = error(|settings| settings.policy.audiences = vec![INSTANCE.into()]);
    assert_eq!(audience, Some(SettingsError::InstanceIsAudience(INSTANCE.into())));
    let scheme = error(|settings| settings.policy.scheme = "two words".into());
    assert_eq!(scheme, Some(SettingsError::Scheme("two words".into())));
    let nameless = error(|settings| settings.instance_id.clear());
    assert_eq!(nameless, Some(SettingsError::NoInstanceId));
    let header = error(|settings| settings.identity_headers.groups = http::header::DATE);
    assert!(matches!(header, Some(SettingsError::IdentityHeaders(_))));
}

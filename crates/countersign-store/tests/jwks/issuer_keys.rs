//! The keys of a token issuer: from when on and for how long they hold.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{EndpointStatus, TrustedKeySource as _};
use countersign_core::{Clock as _, JwkSet, PrivateKey, TrustedKeys};
use countersign_store::{HttpFetcher, JwksKeys, JwksRules, JwksUrl};
use countersign_system::{SystemClock, SystemRandom};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

use crate::support::{Internet, Page, PausedClock, START, URL, Zeros, key};

const INSECURE: JwksRules = JwksRules { dangerous_allow_insecure: true };

struct World {
    internet: Arc<Internet>,
    clock: Arc<PausedClock>,
    issuer: JwksKeys,
}

impl World {
    /// A service that trusts an issuer whose endpoint answers that.
    fn new(page: Page) -> Self {
        let (internet, clock) = (Internet::new(), PausedClock::new());
        internet.publish(URL, page);
        let url = JwksUrl::parse(URL, &JwksRules::default()).unwrap();
        let fetcher = Arc::clone(&internet) as _;
        let issuer = JwksKeys::start(url, fetcher, Arc::clone(&clock) as _, Arc::new(Zeros));
        Self { internet, clock, issuer }
    }

    /// Whether anything can be said of a token now.
    fn hold(&self) -> bool {
        self.issuer.keys().hold_at(self.clock.now())
    }

    /// Lets whatever is due until then happen.
    async fn until(&self, seconds: u64) {
        self.internet.until(seconds).await;
    }
}

/// What is trusted after a fetch of this key so many seconds after the start.
fn trusted(key: &PrivateKey, fetched_at: u64) -> TrustedKeys {
    let set = JwkSet::read(JwkSet::write(&[key.public_key().clone()]).as_bytes()).unwrap();
    TrustedKeys::from(set).until(START + Duration::from_secs(fetched_at + 3600))
}

#[tokio::test(start_paused = true)]
async fn nothing_holds_before_the_first_fetch() {
    let key = key();
    let world = World::new(Page::Keys(vec![key.clone()]));
    assert!(world.issuer.keys().is_empty());
    assert!(!world.hold());
    assert_eq!(world.issuer.status(), EndpointStatus::default());

    world.issuer.fetched().await;
    assert_eq!(*world.issuer.keys(), trusted(&key, 0));
    assert!(world.hold());
    let status = world.issuer.status();
    assert_eq!((status.keys, status.fetched_at, status.error), (1, Some(START), None));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_publishes_no_key_holds_all_the_same() {
    let world = World::new(Page::Keys(vec![]));
    world.issuer.fetched().await;
    assert!(world.issuer.keys().is_empty());
    assert!(world.hold(), "it is known that every key is unknown");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_first_set_is_not_content_with_a_failure() {
    let (world, key) = (World::new(Page::Down), key());
    world.until(10).await;
    let error = world.issuer.status().error;
    assert_eq!(error.as_deref(), Some("answered 503 instead of 200"));
    assert!(!world.hold());

    world.internet.publish(URL, Page::Keys(vec![key.clone()]));
    let (first, second) = (world.issuer.clone(), world.issuer.clone());
    tokio::join!(first.fetched(), second.fetched());
    assert_eq!(world.internet.asked(URL), [0, 30]);
    assert_eq!(*second.keys(), trusted(&key, 30));

    // In paused time a wait would have moved the clock.
    let before = world.clock.now();
    world.issuer.fetched().await;
    assert_eq!(world.clock.now(), before);
}

#[tokio::test(start_paused = true)]
async fn failures_keep_the_old_keys_for_one_hour_after_the_last_success() {
    let key = key();
    let world = World::new(Page::Keys(vec![key.clone()]));
    world.until(300).await;
    world.internet.publish(URL, Page::Down);
    world.until(300 + 3598).await;
    assert_eq!(*world.issuer.keys(), trusted(&key, 300));
    assert!(world.hold());
    assert!(world.issuer.status().error.is_some());

    world.until(300 + 3600).await;
    assert!(!world.hold());

    world.internet.publish(URL, Page::Keys(vec![key]));
    world.until(300 + 3600 + 300).await;
    assert!(world.hold());
    assert_eq!(world.issuer.status().error, None);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_brings_the_next_fetch_forward_at_most_every_thirty_seconds() {
    let (old, new) = (key(), key());
    let world = World::new(Page::Keys(vec![old.clone()]));
    world.until(0).await;
    world.internet.publish(URL, Page::Keys(vec![new.clone()]));
    for second in 1..=65 {
        for _ in 0..100 {
            world.issuer.unknown_key();
        }
        world.until(second).await;
        let (known, fetched_at) = if second < 30 { (&old, 0) } else { (&new, second / 30 * 30) };
        assert_eq!(*world.issuer.keys(), trusted(known, fetched_at), "{second}");
    }
    assert_eq!(world.internet.asked(URL), [0, 30, 60]);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_set_replaces_the_keys() {
    let (old, new) = (key(), key());
    let world = World::new(Page::Keys(vec![old.clone()]));
    world.until(299).await;
    assert_eq!(*world.issuer.keys(), trusted(&old, 0));
    world.internet.publish(URL, Page::Keys(vec![new.clone()]));
    world.until(300).await;
    assert_eq!(*world.issuer.keys(), trusted(&new, 300));
    assert_eq!(world.internet.asked(URL), [0, 300]);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_clone_ends_the_fetching() {
    let world = World::new(Page::Keys(vec![key()]));
    let World { internet, issuer, .. } = world;
    let clone = issuer.clone();
    drop(issuer);
    internet.until(300).await;
    assert_eq!(internet.asked(URL), [0, 300], "one is still there");
    drop(clone);
    internet.until(3600).await;
    assert_eq!(internet.asked(URL), [0, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_url_that_the_rules_do_not_allow_is_not_fetched_and_says_why() {
    for (text, expected) in
        [("http://issuer.example/jwks", "https://"), ("https://127.0.0.1/jwks", "is not public")]
    {
        let (internet, clock) = (Internet::new(), PausedClock::new());
        let url = JwksUrl::parse(text, &INSECURE).unwrap();
        let fetcher = Arc::new(HttpFetcher::new(JwksRules::default()));
        let issuer = JwksKeys::start(url, fetcher, Arc::clone(&clock) as _, Arc::new(Zeros));
        internet.until(600).await;
        assert!(!issuer.keys().hold_at(clock.now()), "{text}");
        let error = issuer.status().error.unwrap();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[tokio::test]
async fn the_dangerous_option_allows_an_issuer_on_this_host() {
    let (server, key) = (MockServer::start().await, key());
    let body = JwkSet::write(&[key.public_key().clone()]);
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&server)
        .await;
    let url = JwksUrl::parse(&format!("{}/jwks", server.uri()), &INSECURE).unwrap();
    let fetcher = Arc::new(HttpFetcher::new(INSECURE));
    let issuer = JwksKeys::start(url, fetcher, Arc::new(SystemClock), Arc::new(SystemRandom));
    issuer.fetched().await;
    assert_eq!(issuer.status().keys, 1);
    assert!(issuer.keys().hold_at(SystemClock.now()));
}

//! The keys of one token issuer, for a service that takes its tokens.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_core::ports::{EndpointStatus, TrustedKeySource};
use countersign_core::{Clock, JwkSet, Random, TrustedKeys, UnixTime};
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::fetch::{FetchError, FetchJwks};
use super::published::Published;
use super::refresh::{Record, Refreshing};
use super::schedule::JwksSchedule;
use super::url::{JwksRules, JwksUrl};

/// The keys that one token issuer publishes as a JWK set.
///
/// The set is fetched at once and then every five minutes, unless another
/// [schedule](JwksSchedule) says otherwise; a token with an unknown `kid` brings the
/// next fetch forward. Nothing ever waits for a fetch but [`fetched`](Self::fetched).
/// If fetches fail, the keys hold for an hour after the last that succeeded, and not
/// longer. Before the first one there are none, and nothing can be said of any token.
///
/// ```no_run
/// use std::sync::Arc;
/// use countersign_core::ports::TrustedKeySource;
/// use countersign_store::{HttpFetcher, JwksKeys, JwksRules, JwksUrl};
/// use countersign_system::{SystemClock, SystemRandom};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let rules = JwksRules::default();
/// let url = JwksUrl::parse("https://issuer.example/jwks", &rules)?;
/// let fetcher = Arc::new(HttpFetcher::new(rules));
/// let issuer = JwksKeys::start(url, fetcher, Arc::new(SystemClock), Arc::new(SystemRandom));
/// issuer.fetched().await;
/// let keys = issuer.keys();
/// # Ok(())
/// # }
/// ```
///
/// Clones share the keys and the fetching, which ends when the last of them is dropped.
#[derive(Clone)]
pub struct JwksKeys {
    issuer: Arc<Issuer>,
    wake: Arc<Notify>,
    _refreshing: Arc<AbortOnDropHandle<()>>,
}

/// What is known of the issuer.
struct Issuer {
    keys_hold_for: Duration,
    /// What verifiers see. They read it for every token, so without a lock.
    trusted: ArcSwap<TrustedKeys>,
    published: watch::Sender<Published>,
}

impl JwksKeys {
    /// Starts to fetch with this fetcher, on the default schedule.
    ///
    /// Must be called within a Tokio runtime, on which the fetching then goes on. A
    /// URL that the rules of the fetcher do not allow is not fetched, and the
    /// [status](Self::status) says why.
    pub fn start(
        url: JwksUrl,
        fetcher: Arc<dyn FetchJwks>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self::start_with_schedule(JwksSchedule::default(), url, fetcher, clock, random)
    }

    /// The same on another schedule.
    pub fn start_with_schedule(
        schedule: JwksSchedule,
        url: JwksUrl,
        fetcher: Arc<dyn FetchJwks>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        if let Err(danger) = url.check(JwksRules::default()) {
            warn!(%url, %danger, "only the dangerous option allows this URL of an issuer's keys");
        }
        let issuer = Arc::new(Issuer::new(schedule.keys_hold_for));
        let wake = Arc::new(Notify::new());
        let refreshing = Arc::new(Refreshing::new(schedule, fetcher, clock, random));
        let task = refreshing.start(url, Arc::clone(&wake), Arc::downgrade(&issuer));
        Self { issuer, wake, _refreshing: Arc::new(task) }
    }

    /// Waits until a set has been fetched for the first time, for services that want
    /// to take no request before. Waits for as long as no fetch succeeds.
    pub async fn fetched(&self) {
        let mut published = self.issuer.published.subscribe();
        // The sender is ours: it does not go away meanwhile.
        let _ = published.wait_for(|published| published.status().fetched_at.is_some()).await;
    }

    /// How the fetching goes, for the operator.
    pub fn status(&self) -> EndpointStatus {
        self.issuer.published.borrow().status().clone()
    }
}

impl TrustedKeySource for JwksKeys {
    fn keys(&self) -> Arc<TrustedKeys> {
        self.issuer.trusted.load_full()
    }

    fn unknown_key(&self) {
        self.wake.notify_one();
    }
}

impl Issuer {
    fn new(keys_hold_for: Duration) -> Self {
        // Without a set there is nothing to judge tokens by: not even that a key is unknown.
        let never_held = TrustedKeys::default().until(UnixTime::from_micros(i64::MIN));
        Self {
            keys_hold_for,
            trusted: ArcSwap::from_pointee(never_held),
            published: watch::Sender::new(Published::default()),
        }
    }
}

impl Record for Issuer {
    fn record(&self, url: &JwksUrl, at: UnixTime, fetched: Result<JwkSet, FetchError>) {
        // Those who wait are told after this, so that they find the keys there.
        self.published.send_modify(|published| {
            if published.record(url, at, fetched) {
                let keys = TrustedKeys::new(published.keys().iter().cloned());
                self.trusted.store(Arc::new(keys.until(at + self.keys_hold_for)));
            }
        });
    }
}

//! Keys that are published elsewhere, fetched over HTTPS.
//!
//! An account may be trusted through the URL of a JWK set instead of, or beside,
//! keys registered for it. [`RemoteJwks`] keeps those sets at hand, and [`JwksKeys`]
//! the one of a token issuer, for a service that takes its tokens:
//!
//! - A set is fetched when its endpoint is added and when a server starts, then
//!   every five minutes. **A request never waits for a fetch**: until a set is
//!   there, tokens that need it are refused.
//! - A token with a `kid` that the set lacks brings the next fetch forward, to
//!   30 seconds after the last at the earliest.
//! - A fetch that fails leaves the set as it was. Its keys are used for an hour
//!   after the last fetch that succeeded, and not longer.
//! - One fetch takes at most 5 seconds and 1 MiB, follows no redirect, uses no
//!   proxy, and connects only by HTTPS and only to public addresses, unless
//!   [`JwksRules::dangerous_allow_insecure`] says otherwise.
//! - A URL that many accounts are trusted through is fetched once for all.

mod address;
mod book;
mod fetch;
mod issuer_keys;
mod published;
mod refresh;
mod schedule;
mod url;

use std::sync::Arc;

use countersign_core::ports::{EndpointStatus, RegisteredKey};
use countersign_core::{AccountId, Clock, Random};

pub use address::ForbiddenAddress;
pub use book::JwksSummary;
pub use fetch::{FetchError, FetchJwks, FetchLimits, HttpFetcher};
pub use issuer_keys::JwksKeys;
pub use schedule::JwksSchedule;
pub use url::{JwksRules, JwksUrl, JwksUrlError, MAX_JWKS_URL_BYTES};

use crate::endpoint_keys::{ChangeListener, EndpointKeys};
use book::Book;
use refresh::Refreshing;

/// The JWK sets of all endpoints that accounts are trusted through.
///
/// Dropping it ends all fetching.
pub struct RemoteJwks {
    rules: JwksRules,
    book: Arc<Book>,
    refreshing: Arc<Refreshing>,
}

impl RemoteJwks {
    /// Fetches with this fetcher, on the default schedule.
    ///
    /// `rules` are those of the fetcher; a URL that they do not allow is not
    /// fetched, and its [status](EndpointKeys::status) says why.
    pub fn new(
        rules: JwksRules,
        fetcher: Arc<dyn FetchJwks>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self::with_schedule(JwksSchedule::default(), rules, fetcher, clock, random)
    }

    /// The same on another schedule.
    pub fn with_schedule(
        schedule: JwksSchedule,
        rules: JwksRules,
        fetcher: Arc<dyn FetchJwks>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        if rules.dangerous_allow_insecure {
            tracing::warn!(
                "JWKS are fetched over plain http and from private addresses too: whoever is on \
                 the way can replace the keys of accounts"
            );
        }
        let book = Arc::new(Book::new(schedule.keys_hold_for));
        let refreshing = Arc::new(Refreshing::new(schedule, fetcher, clock, random));
        Self { rules, book, refreshing }
    }
}

impl RemoteJwks {
    /// How the fetching goes, on the whole.
    pub fn summary(&self) -> JwksSummary {
        self.book.summary()
    }

    /// How the fetching of each endpoint goes, in order of their URLs.
    pub fn statuses(&self) -> Vec<(String, EndpointStatus)> {
        self.book.statuses()
    }
}

/// [`set_endpoints`](EndpointKeys::set_endpoints) must be called within a Tokio
/// runtime, on which the fetching then goes on.
impl EndpointKeys for RemoteJwks {
    fn set_endpoints(&self, account: AccountId, urls: &[String]) {
        let urls: Vec<_> =
            urls.iter().map(|text| (text.as_str(), JwksUrl::parse(text, &self.rules))).collect();
        self.book.set_endpoints(account, &urls, |url, wake| {
            self.refreshing.start(url, wake, Arc::downgrade(&self.book))
        });
    }

    fn keys(&self, account: AccountId) -> Vec<RegisteredKey> {
        self.book.keys(account)
    }

    fn unknown_key(&self, account: AccountId) {
        self.book.wake(account);
    }

    fn tell(&self, listener: ChangeListener) {
        self.book.tell(listener);
    }

    fn status(&self, url: &str) -> Option<EndpointStatus> {
        match JwksUrl::parse(url, &self.rules) {
            Ok(url) => self.book.status(url.as_str()),
            Err(_) => self.book.status(url),
        }
    }
}

//! A small internet in paused time: waiting for an hour takes no time and is exact.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::{Clock, JwkSet, KeyKind, PrivateKey, Random, UnixTime};
use countersign_store::{FetchError, FetchJwks, JwksUrl};
use tokio::time::Instant;

pub(crate) const START: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const URL: &str = "https://issuer.example/jwks.json";

pub(crate) fn key() -> PrivateKey {
    PrivateKey::generate(KeyKind::Ed25519).unwrap()
}

/// A clock that goes with Tokio's.
pub(crate) struct PausedClock(Instant);

impl PausedClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for PausedClock {
    fn now(&self) -> UnixTime {
        START + self.0.elapsed()
    }
}

/// No jitter, so that instants can be compared.
pub(crate) struct Zeros;

impl Random for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// What a URL answers at the moment.
#[derive(Clone)]
pub(crate) enum Page {
    Keys(Vec<PrivateKey>),
    Down,
    Hangs,
}

/// A small internet: pages by URL, and a record of who was asked when.
pub(crate) struct Internet {
    start: Instant,
    pages: Mutex<HashMap<String, Page>>,
    asked: Mutex<Vec<(String, u64)>>,
}

impl Internet {
    pub(crate) fn new() -> Arc<Self> {
        let start = Instant::now();
        Arc::new(Self { start, pages: Mutex::default(), asked: Mutex::default() })
    }

    pub(crate) fn publish(&self, url: &str, page: Page) {
        self.pages.lock().unwrap().insert(url.to_owned(), page);
    }

    /// The seconds since the start at which a URL was asked.
    pub(crate) fn asked(&self, url: &str) -> Vec<u64> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(known, _)| known == url).map(|(_, at)| *at).collect()
    }

    /// How often anybody was asked.
    pub(crate) fn asked_in_all(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Lets whatever is due until so many seconds after the start happen.
    pub(crate) async fn until(&self, seconds: u64) {
        let end = self.start + Duration::from_secs(seconds) + Duration::from_millis(1);
        tokio::time::sleep_until(end).await;
    }
}

#[async_trait]
impl FetchJwks for Internet {
    async fn fetch(&self, url: &JwksUrl) -> Result<JwkSet, FetchError> {
        let url = url.as_str();
        self.asked.lock().unwrap().push((url.to_owned(), self.start.elapsed().as_secs()));
        let page = self.pages.lock().unwrap().get(url).cloned();
        match page {
            Some(Page::Keys(keys)) => {
                let keys: Vec<_> = keys.iter().map(|key| key.public_key().clone()).collect();
                Ok(JwkSet::read(JwkSet::write(&keys).as_bytes())?)
            }
            Some(Page::Hangs) => std::future::pending().await,
            Some(Page::Down) | None => Err(FetchError::Status(503)),
        }
    }
}

//! The task that keeps one endpoint's set fresh.

use std::sync::{Arc, Weak};

use countersign_core::{Clock, JwkSet, Random, UnixTime};
use futures_util::FutureExt as _;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::fetch::{FetchError, FetchJwks};
use super::schedule::JwksSchedule;
use super::url::JwksUrl;

/// The most fetches that go on at once; further ones wait for their turn.
const MAX_FETCHES_AT_ONCE: usize = 64;

/// Where the outcomes of fetches are written down.
pub(super) trait Record: Send + Sync + 'static {
    /// Writes down how a fetch that began at `at` ended.
    fn record(&self, url: &JwksUrl, at: UnixTime, fetched: Result<JwkSet, FetchError>);
}

/// What all the tasks share.
pub(super) struct Refreshing {
    schedule: JwksSchedule,
    fetcher: Arc<dyn FetchJwks>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    turns: Semaphore,
}

impl Refreshing {
    pub(super) fn new(
        schedule: JwksSchedule,
        fetcher: Arc<dyn FetchJwks>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let turns = Semaphore::new(MAX_FETCHES_AT_ONCE);
        Self { schedule, fetcher, clock, random, turns }
    }

    /// Starts to fetch this URL for `record`, now and again and again, until the
    /// handle is dropped.
    pub(super) fn start(
        self: &Arc<Self>,
        url: JwksUrl,
        wake: Arc<Notify>,
        record: Weak<impl Record>,
    ) -> AbortOnDropHandle<()> {
        let task = Arc::clone(self).refresh_for_ever(url, wake, record);
        AbortOnDropHandle::new(tokio::spawn(task))
    }

    async fn refresh_for_ever(
        self: Arc<Self>,
        url: JwksUrl,
        wake: Arc<Notify>,
        record: Weak<impl Record>,
    ) {
        let mut failures: u32 = 0;
        // The turns are never closed and the record outlives its tasks, but for a
        // moment at the end: then there is nothing left to do.
        while let Ok(turn) = self.turns.acquire().await {
            let (started, now) = (Instant::now(), self.clock.now());
            // Whoever asked for a fetch until now gets this one.
            let _ = wake.notified().now_or_never();
            let fetched = self.fetcher.fetch(&url).await;
            drop(turn);
            failures = if fetched.is_ok() { 0 } else { failures.saturating_add(1) };
            let Some(record) = record.upgrade() else { return };
            record.record(&url, now, fetched);
            drop(record);

            let due = started + self.schedule.pause(failures, &*self.random);
            let soonest = started + self.schedule.unknown_kid_cooldown;
            tokio::select! {
                () = sleep_until(due) => {}
                () = async { wake.notified().await; sleep_until(soonest).await } => {}
            }
        }
    }
}

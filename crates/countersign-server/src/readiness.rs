//! Whether this server can do its work at the moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{AdminStore, AuditFilter, Page, ReplayGuard};
use countersign_core::{Clock, UnixTime};
use futures_util::future::join_all;
use tokio::sync::Mutex;

/// How long one check may take before it counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an outcome is given again: whoever asks often does not ask the
/// dependencies often.
const FRESH: Duration = Duration::from_secs(1);

/// Something the service cannot work without.
#[async_trait]
pub trait ReadinessCheck: Send + Sync {
    /// What it is, one word: `store`, `replay-guard`, `directory`.
    fn name(&self) -> &'static str;

    /// Whether requests are unwelcome without it. Otherwise it is only spoken of.
    fn is_vital(&self) -> bool {
        true
    }

    /// Looks whether it works.
    ///
    /// # Errors
    /// What is wrong, for the operator's log.
    async fn check(&self) -> Result<(), String>;
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOutcome {
    /// The check's name.
    pub name: &'static str,
    /// Whether requests are unwelcome without it.
    pub is_vital: bool,
    /// What is wrong, if anything.
    pub failure: Option<String>,
}

/// All that must work before requests are welcome, and whether the server is
/// about to stop.
pub struct Readiness {
    checks: Vec<Arc<dyn ReadinessCheck>>,
    clock: Arc<dyn Clock>,
    draining: AtomicBool,
    last: Mutex<Option<(UnixTime, Vec<CheckOutcome>)>>,
}

impl Readiness {
    /// Ready when every one of the checks succeeds.
    pub fn new(checks: Vec<Arc<dyn ReadinessCheck>>, clock: Arc<dyn Clock>) -> Self {
        Self { checks, clock, draining: AtomicBool::new(false), last: Mutex::new(None) }
    }

    /// Not ready from now on, for good: load balancers look elsewhere while the
    /// requests at hand are finished.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether [`drain`](Self::drain) was called.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// What each check says, at most a second old.
    pub async fn outcomes(&self) -> Vec<CheckOutcome> {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        match &*last {
            Some((at, outcomes)) if *at <= now && now < *at + FRESH => outcomes.clone(),
            _ => {
                let outcomes = join_all(self.checks.iter().map(outcome)).await;
                note(last.as_ref().map_or(&[][..], |(_, outcomes)| outcomes), &outcomes);
                *last = Some((now, outcomes.clone()));
                outcomes
            }
        }
    }
}

async fn outcome(check: &Arc<dyn ReadinessCheck>) -> CheckOutcome {
    let name = check.name();
    let result = tokio::time::timeout(CHECK_TIMEOUT, check.check()).await;
    let failure = result.unwrap_or_else(|_| Err("no answer in time".to_owned())).err();
    CheckOutcome { name, is_vital: check.is_vital(), failure }
}

/// Says when something vital fails and when it is back, once each, however often somebody asks.
/// What is not vital has been said where it was found.
fn note(before: &[CheckOutcome], now: &[CheckOutcome]) {
    for CheckOutcome { name, is_vital, failure } in now {
        let failed_before = before.iter().any(|last| last.name == *name && last.failure.is_some());
        match failure {
            Some(failure) if *is_vital && !failed_before => {
                tracing::warn!(check = name, failure, "not ready");
            }
            None if *is_vital && failed_before => tracing::info!(check = name, "ready again"),
            _ => {}
        }
    }
}

/// Ready when the store answers.
pub struct StoreCheck(pub Arc<dyn AdminStore>);

#[async_trait]
impl ReadinessCheck for StoreCheck {
    fn name(&self) -> &'static str {
        "store"
    }

    async fn check(&self) -> Result<(), String> {
        let first = Page { after: None, limit: 1 };
        self.0
            .audit(&AuditFilter::default(), first)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

/// Ready when spent nonces can be recorded.
pub struct GuardCheck(pub Arc<dyn ReplayGuard>);

#[async_trait]
impl ReadinessCheck for GuardCheck {
    fn name(&self) -> &'static str {
        "replay-guard"
    }

    async fn check(&self) -> Result<(), String> {
        self.0.check().await.map_err(|error| error.to_string())
    }
}

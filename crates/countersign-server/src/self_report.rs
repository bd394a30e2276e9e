//! What a server finds when it looks at itself: what nobody can see from outside.

mod keys;
mod replay_guard;
mod signing_keys;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{AdminStore, ReplayGuard};
use countersign_core::{Clock, UnixTime};
use futures_util::future::join_all;
use tokio::sync::Mutex;

use crate::api::{Finding, HealthReport, SelfReport, Severity};
use crate::token_service::TokenService;

/// How long one check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a health report is given again: whoever asks often, and need not sign for it, does
/// not ask the dependencies often.
const FRESH: Duration = Duration::from_secs(1);
/// How long before its end a key should be replaced.
pub const EXPIRES_SOON: Duration = Duration::from_hours(14 * 24);
/// How many accounts a finding names.
pub const MAX_NAMED: usize = 5;

/// Looks at one thing that the server stands on.
#[async_trait]
pub trait SelfCheck: Send + Sync {
    /// What it looks at, in a word or two.
    fn name(&self) -> &'static str;

    /// Looks. What it finds holds no secret.
    async fn look(&self) -> Vec<Finding>;

    /// Whether what it finds names no account and none of its keys, so that it may be told to
    /// whoever reaches the internal listener while nobody can prove to be an operator.
    fn names_nobody(&self) -> bool {
        false
    }
}

/// Makes the reports of one server.
#[derive(Clone)]
pub(crate) struct SelfReporter {
    checks: Vec<Arc<dyn SelfCheck>>,
    /// What a health report begins with.
    healthy: HealthReport,
    clock: Arc<dyn Clock>,
    last: Arc<Mutex<Option<(UnixTime, HealthReport)>>>,
}

impl SelfReporter {
    /// Looks at what the service itself works with, and then at these.
    pub(crate) fn new(
        (store, guard): (Arc<dyn AdminStore>, Arc<dyn ReplayGuard>),
        tokens: Option<Arc<TokenService>>,
        (clock, healthy): (&Arc<dyn Clock>, HealthReport),
        others: Vec<Arc<dyn SelfCheck>>,
    ) -> Self {
        let guard = replay_guard::Guard { guard, kind: healthy.replay_guard };
        let keys = keys::PublicKeys { store, clock: Arc::clone(clock) };
        let mut checks: Vec<Arc<dyn SelfCheck>> = vec![Arc::new(guard), Arc::new(keys)];
        if let Some(tokens) = tokens {
            let clock = Arc::clone(clock);
            checks.push(Arc::new(signing_keys::SigningKeys { tokens, clock }));
        }
        checks.extend(others);
        Self { checks, healthy, clock: Arc::clone(clock), last: Arc::default() }
    }

    /// Looks at everything at once.
    pub(crate) async fn report(&self) -> SelfReport {
        let findings = join_all(self.checks.iter().map(look)).await;
        SelfReport { checks: findings.into_iter().flatten().collect() }
    }

    /// What is not well, as far as it names nobody, at most a second old.
    pub(crate) async fn health(&self) -> HealthReport {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        if let Some((at, report)) = &*last
            && *at <= now
            && now < *at + FRESH
        {
            return report.clone();
        }
        let checks = self.checks.iter().filter(|check| check.names_nobody());
        let findings = join_all(checks.map(look)).await.into_iter().flatten();
        let checks = findings.filter(|finding| finding.severity != Severity::Ok).collect();
        let report = HealthReport { checks, ..self.healthy.clone() };
        *last = Some((self.clock.now(), report.clone()));
        report
    }
}

async fn look(check: &Arc<dyn SelfCheck>) -> Vec<Finding> {
    tokio::time::timeout(CHECK_TIMEOUT, check.look()).await.unwrap_or_else(|_| {
        let found = format_args!("nothing was found out within {CHECK_TIMEOUT:?}");
        vec![Finding::fail(check.name(), found, "the server's log may say why")]
    })
}

fn days(since: UnixTime, now: UnixTime) -> u64 {
    now.saturating_duration_since(since).as_secs() / 86_400
}

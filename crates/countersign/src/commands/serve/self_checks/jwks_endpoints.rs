//! How the fetching of each JWKS endpoint goes.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::ports::{Clock as _, EndpointStatus};
use countersign_server::api::Finding;
use countersign_server::self_report::{MAX_NAMED, SelfCheck};
use countersign_store::RemoteJwks;
use countersign_system::SystemClock;

pub(super) struct JwksEndpoints(pub(super) Arc<RemoteJwks>);

#[async_trait]
impl SelfCheck for JwksEndpoints {
    fn name(&self) -> &'static str {
        "jwks endpoints"
    }

    async fn look(&self) -> Vec<Finding> {
        let (check, statuses) = (self.name(), self.0.statuses());
        let failing = || statuses.iter().filter_map(|(url, status)| failure(url, status));
        let findings: Vec<_> = failing().take(MAX_NAMED).collect();
        if !findings.is_empty() {
            let left_out = failing().count() - findings.len();
            let advice = "`countersign jwks list ACCOUNT`; their keys are refused an hour after the last fetch";
            let more = if left_out > 0 { format!("; and {left_out} more") } else { String::new() };
            let found = format!("{}{more}", findings.join("; "));
            return vec![Finding::fail(check, found, advice)];
        }
        let oldest = statuses.iter().filter_map(|(_, status)| status.fetched_at).min();
        let oldest = oldest.map(|at| SystemClock.now().saturating_duration_since(at).as_secs());
        let oldest =
            oldest.map_or_else(String::new, |age| format!(", the oldest set is {age} s old"));
        vec![Finding::ok(check, format_args!("{} are fetched{oldest}", statuses.len()))]
    }
}

fn failure(url: &str, status: &EndpointStatus) -> Option<String> {
    let error = status.error.as_deref()?;
    let since = |at| SystemClock.now().saturating_duration_since(at).as_secs();
    let last = status.fetched_at.map_or_else(
        || "it never gave a set".to_owned(),
        |at| format!("it last gave a set {} s ago", since(at)),
    );
    Some(format!("{url} could not be fetched ({error}), {last}"))
}

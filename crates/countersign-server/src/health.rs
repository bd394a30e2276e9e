//! `/health/live` and `/health/ready`, on both listeners.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::CACHE_CONTROL;

use crate::openapi::described;
use crate::readiness::Readiness;

/// The path of the probe that asks whether the process answers at all.
pub const LIVE: &str = "/health/live";
/// The path of the probe that asks whether requests are welcome.
pub const READY: &str = "/health/ready";

/// The two probes. They say as much as a load balancer needs; what is wrong in
/// detail is in the log.
pub(crate) fn routes(readiness: Arc<Readiness>) -> Router {
    Probes::router().with_state(readiness)
}

described! {
    /// The two probes.
    pub(crate) Probes for Arc<Readiness> {
        LIVE => get live;
        READY => get ready;
    }
}

/// Whether the process answers at all.
#[utoipa::path(
    get,
    path = LIVE,
    operation_id = "show_liveness",
    tag = "Health",
    responses((status = 200, description = "It does.", body = String))
)]
async fn live() -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], "live\n")
}

/// Whether requests are welcome.
#[utoipa::path(
    get,
    path = READY,
    operation_id = "show_readiness",
    tag = "Health",
    responses(
        (status = 200, description = "They are.", body = String),
        (status = 503, description = "Something does not work, or the server is about to stop.", body = String),
    )
)]
async fn ready(State(readiness): State<Arc<Readiness>>) -> impl IntoResponse {
    let (status, text) = if readiness.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned())
    } else {
        let outcomes = readiness.outcomes().await;
        let failed = |vital: bool| {
            let failed = outcomes.iter().filter(|o| o.failure.is_some() && o.is_vital == vital);
            failed.map(|o| o.name).collect::<Vec<_>>().join(", ")
        };
        match (failed(true), failed(false)) {
            (vital, _) if !vital.is_empty() => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {vital}\n"))
            }
            (_, other) if !other.is_empty() => {
                (StatusCode::OK, format!("ready, but not all is well: {other}\n"))
            }
            _ => (StatusCode::OK, "ready\n".to_owned()),
        }
    };
    (status, [(CACHE_CONTROL, "no-store")], text)
}

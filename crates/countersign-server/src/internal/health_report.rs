//! `GET /health/report`.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CACHE_CONTROL;

use crate::api::{HealthReport, routes};
use crate::self_report::SelfReporter;

/// What is not well with this server, and what to do about it. Nobody signs for that: when the
/// replay guard is away no signature is accepted, and that is when somebody must know.
#[utoipa::path(
    get,
    path = routes::HEALTH_REPORT,
    operation_id = "show_health_report",
    tag = "Health",
    responses((status = 200, description = "What is not well; nothing if all is.", body = HealthReport))
)]
pub(super) async fn show(State(reporter): State<SelfReporter>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(reporter.health().await))
}

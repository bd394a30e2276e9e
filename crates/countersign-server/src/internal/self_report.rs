//! `GET /v1/self-report`.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CACHE_CONTROL;

use crate::api::{SelfReport, routes};
use crate::self_report::SelfReporter;

/// What this server finds when it looks at itself: its database, its replay guard, its clock,
/// what it has in memory, and keys that need somebody.
#[utoipa::path(
    get,
    path = routes::SELF_REPORT,
    operation_id = "show_self_report",
    tag = "Instance",
    responses((status = 200, description = "What was found, and what to do about it.", body = SelfReport))
)]
pub(super) async fn show(State(reporter): State<SelfReporter>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(reporter.report().await))
}

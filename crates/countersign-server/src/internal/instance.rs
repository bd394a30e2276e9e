//! `GET /v1/instance`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CACHE_CONTROL;

use crate::api::{Instance, routes};

/// Which server this is; a caller needs the id before it can sign.
#[utoipa::path(
    get,
    path = routes::INSTANCE,
    operation_id = "show_instance",
    tag = "Instance",
    responses((status = 200, description = "This server.", body = Instance))
)]
pub(super) async fn show(State(instance_id): State<Arc<str>>) -> impl IntoResponse {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let instance = Instance { instance_id: instance_id.to_string(), version };
    ([(CACHE_CONTROL, "no-store")], Json(instance))
}

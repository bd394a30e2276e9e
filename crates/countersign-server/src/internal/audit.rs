//! `GET /v1/audit`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign_core::ports::AdminStore;

use super::extract::{StrictQuery, next, page};
use crate::api::{Audit, AuditQuery, Problem, routes};

/// The audit trail, oldest first.
#[utoipa::path(
    get,
    path = routes::AUDIT,
    operation_id = "list_audit",
    tag = "Audit trail",
    params(AuditQuery),
    responses((status = 200, description = "The acts, oldest first.", body = Audit))
)]
pub(super) async fn list(
    State(store): State<Arc<dyn AdminStore>>,
    StrictQuery(query): StrictQuery<AuditQuery>,
) -> Result<Json<Audit>, Problem> {
    let page = page(query.after, query.limit)?;
    let limit = page.limit;
    let records = store.audit(page).await?;
    let next = next(&records, limit, |record| record.sequence);
    Ok(Json(Audit { records: records.into_iter().map(Into::into).collect(), next }))
}

//! `GET /v1/audit`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign_core::ports::{AdminStore, AuditFilter};

use super::extract::{StrictQuery, check_text, next, page};
use crate::api::{Audit, AuditOrder, AuditQuery, Problem, routes, to_unix_time};

/// The audit trail, oldest first unless asked otherwise.
#[utoipa::path(
    get,
    path = routes::AUDIT,
    operation_id = "list_audit",
    tag = "Audit trail",
    params(AuditQuery),
    responses((status = 200, description = "The acts that pass the filters.", body = Audit))
)]
pub(super) async fn list(
    State(store): State<Arc<dyn AdminStore>>,
    StrictQuery(query): StrictQuery<AuditQuery>,
) -> Result<Json<Audit>, Problem> {
    let page = page(query.after, query.limit)?;
    let limit = page.limit;
    let text = |what: &str, text: Option<String>| match text {
        Some(text) => check_text(what, &text).map(|()| Some(text)),
        None => Ok(None),
    };
    let filter = AuditFilter {
        actor: text("`actor`", query.actor)?,
        action: text("`action`", query.action)?,
        target_contains: text("`target`", query.target)?,
        since: query.since.map(to_unix_time),
    };
    let records = match query.order.unwrap_or_default() {
        AuditOrder::Oldest => store.audit(&filter, page).await?,
        AuditOrder::Newest => store.latest_audit(&filter, page).await?,
    };
    let next = next(&records, limit, |record| record.sequence);
    Ok(Json(Audit { records: records.into_iter().map(Into::into).collect(), next }))
}

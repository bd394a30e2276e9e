//! Who did what: the audit trail, newest first, and as a file.

use askama::Template;
use axum::body::Body;
use axum::extract::Extension;
use axum::response::{IntoResponse as _, Response};
use countersign_core::ports::{AuditFilter, AuditRecord, Page};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;

use super::page::{Frame, Section, shown};
use super::view::{Instant, Now};
use super::visitor::Visitor;
use super::{Console, State, paths};
use crate::api::{self, Problem};
use crate::internal::extract::{StrictQuery, check_text};

/// How many acts a page has.
const PAGE: u32 = 50;
/// How many acts are read for the file at a time.
const CHUNK: u32 = 500;

/// What the page's address says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    actor: String,
    action: String,
    target: String,
    before: Option<i64>,
}

#[derive(Template)]
#[template(path = "console/audit.html")]
struct AuditPage {
    frame: Frame,
    wanted: Wanted,
    rows: Vec<Row>,
    /// Where the older acts are.
    next: Option<String>,
    /// Where all that pass the filter are as a file.
    export: String,
}

struct Row {
    sequence: i64,
    at: Instant,
    actor: String,
    from: Option<std::net::IpAddr>,
    action: String,
    target: String,
    /// What the act changed: the member, what it was and what it is.
    changes: Vec<(String, String, String)>,
}

/// Shows acts.
pub(super) async fn show(
    axum::extract::State(console): State,
    Extension(visitor): Extension<Visitor>,
    StrictQuery(wanted): StrictQuery<Wanted>,
) -> Result<Response, Problem> {
    // One more than a page has, to know whether there is another.
    let page = Page { after: wanted.before, limit: PAGE + 1 };
    let mut records = console.acts(&wanted, page).await?;
    let now = Now::of(&*console.clock);
    let more = records.len() > PAGE as usize;
    records.truncate(PAGE as usize);
    let next = records
        .last()
        .filter(|_| more)
        .map(|last| wanted.path(paths::AUDIT, &last.sequence.to_string()));
    let page = AuditPage {
        frame: Frame::new(&visitor, Section::Audit),
        rows: records.into_iter().map(|record| Row::new(record, now)).collect(),
        next,
        export: wanted.path(paths::AUDIT_EXPORT, ""),
        wanted,
    };
    Ok(shown(&page.frame, &page))
}

/// All acts that pass the filter, one JSON object a line, as they are read.
pub(super) async fn export(
    axum::extract::State(console): State,
    StrictQuery(wanted): StrictQuery<Wanted>,
) -> Result<Response, Problem> {
    let first = console.acts(&wanted, Page { after: None, limit: CHUNK }).await?;
    let lines = futures_util::stream::try_unfold(Some(first), move |chunk| {
        let (console, wanted) = (console.clone(), wanted.clone());
        async move {
            let Some(records) = chunk else { return Ok(None) };
            let next = match records.last() {
                Some(last) if records.len() == CHUNK as usize => {
                    let page = Page { after: Some(last.sequence), limit: CHUNK };
                    Some(console.acts(&wanted, page).await.map_err(|problem| problem.detail)?)
                }
                _ => None,
            };
            Ok::<_, String>(Some((lines(records), next)))
        }
    });
    let headers = [
        (CONTENT_TYPE, "application/jsonl"),
        (CONTENT_DISPOSITION, "attachment; filename=\"audit.jsonl\""),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// The records as the administration API writes them.
fn lines(records: Vec<AuditRecord>) -> String {
    records
        .into_iter()
        .filter_map(|record| serde_json::to_string(&api::AuditRecord::from(record)).ok())
        .map(|line| line + "\n")
        .collect()
}

impl Console {
    async fn acts(&self, wanted: &Wanted, page: Page<i64>) -> Result<Vec<AuditRecord>, Problem> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        for text in [&wanted.actor, &wanted.action, &wanted.target] {
            check_text("the search", text)?;
        }
        let filter = AuditFilter {
            actor: given(&wanted.actor),
            action: given(&wanted.action),
            target_contains: given(&wanted.target),
            since: None,
        };
        Ok(self.administration.store.latest_audit(&filter, page).await?)
    }
}

impl Wanted {
    fn path(&self, path: &str, before: &str) -> String {
        let filter =
            [("actor", &*self.actor), ("action", &*self.action), ("target", &*self.target)];
        let pairs: Vec<_> = filter.into_iter().chain([("before", before)]).collect();
        paths::with_query(path, &pairs)
    }
}

impl Row {
    fn new(record: AuditRecord, now: Now) -> Self {
        let changes = changes(&record.before, &record.after);
        let record = api::AuditRecord::from(record);
        Self {
            sequence: record.sequence,
            at: now.instant(record.at),
            actor: record.actor,
            from: record.from,
            action: record.action,
            target: record.target,
            changes,
        }
    }
}

/// The members in which two states differ; all of the one there is, where there is only one.
fn changes(before: &serde_json::Value, after: &serde_json::Value) -> Vec<(String, String, String)> {
    let empty = serde_json::Map::new();
    let (before, after) =
        (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let shown = |value: Option<&serde_json::Value>| match value {
        None => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| (name.clone(), shown(before.get(name)), shown(after.get(name))))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let before = json!({ "name": "a", "groups": ["x"], "disabled": false });
        let after = json!({ "name": "a", "groups": [], "disabled": true });
        let changed = |name: &str, before: &str, after: &str| {
            (name.to_owned(), before.to_owned(), after.to_owned())
        };
        assert_eq!(
            changes(&before, &after),
            [changed("disabled", "false", "true"), changed("groups", "[\"x\"]", "[]")]
        );
        assert_eq!(changes(&Value::Null, &json!({ "name": "a" })), [changed("name", "", "a")]);
        assert_eq!(changes(&after, &after), []);
    }
}

//! The audit trail on the wire.

use std::fmt;
use std::net::IpAddr;

use countersign_core::{UnixTime, ports};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::instant::to_timestamp;

/// One administrative act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditRecord {
    /// Position in the trail, ascending.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// From which address.
    #[schema(value_type = Option<String>)]
    pub from: Option<IpAddr>,
    /// What was done, for example `account.create`.
    pub action: String,
    /// To what, for example `account billing-worker-7`.
    pub target: String,
    /// The state before, `null` for something new.
    pub before: serde_json::Value,
    /// The state after, `null` for something deleted.
    pub after: serde_json::Value,
}

/// The query of `GET /v1/audit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Begin behind this position, in the order that is asked for.
    pub after: Option<i64>,
    /// At most this many; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only acts by this account.
    pub actor: Option<String>,
    /// Only acts of this kind, for example `account.create`.
    pub action: Option<String>,
    /// Only acts upon what has this text in its name.
    pub target: Option<String>,
    /// Only acts of this instant and later ones.
    pub since: Option<Timestamp>,
    /// Which acts come first; the oldest unless given.
    #[param(inline)]
    pub order: Option<AuditOrder>,
}

/// Which acts come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditOrder {
    /// The oldest.
    #[default]
    Oldest,
    /// The newest.
    Newest,
}

impl fmt::Display for AuditOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oldest => "oldest",
            Self::Newest => "newest",
        })
    }
}

/// The answer to `GET /v1/audit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// The acts.
    pub records: Vec<AuditRecord>,
    /// What to give as `after` for the acts that follow; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

impl From<ports::AuditRecord> for AuditRecord {
    fn from(record: ports::AuditRecord) -> Self {
        Self {
            sequence: record.sequence,
            at: to_timestamp(UnixTime::from_micros(record.at)),
            actor: record.actor,
            from: record.from,
            action: record.action,
            target: record.target,
            before: record.before,
            after: record.after,
        }
    }
}

//! What a server says of itself: all of it to operators, what is not well to whoever asks.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is well.
    Ok,
    /// It works, but should be looked at.
    Warn,
    /// It does not work, or it is not safe.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at, in a word or two that never change.
    pub check: String,
    /// What was found, for people.
    pub found: String,
    /// What to do, unless it is well.
    pub advice: Option<String>,
}

/// The answer to `GET /v1/self-report`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SelfReport {
    /// Everything that was looked at.
    pub checks: Vec<Finding>,
}

/// Where a server remembers spent nonces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GuardKind {
    /// In its own memory.
    #[default]
    Memory,
    /// In a file of its own.
    File,
    /// In PostgreSQL, with the others on the same database.
    Postgres,
    /// In Redis, with the others that share it.
    Redis,
}

impl GuardKind {
    /// Whether other servers share it: then it goes by a clock that all can ask.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Postgres | Self::Redis)
    }
}

/// The answer to `GET /health/report`, which nobody signs for: it names no account and no key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthReport {
    /// Where spent nonces are remembered.
    pub replay_guard: GuardKind,
    /// The headers that tell services who a caller is.
    pub identity_headers: Vec<String>,
    /// What is not well.
    pub checks: Vec<Finding>,
}

impl Finding {
    /// It is well.
    pub fn ok(check: &str, found: impl fmt::Display) -> Self {
        Self::new(Severity::Ok, check, found, None)
    }

    /// It works, but should be looked at.
    pub fn warn(check: &str, found: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self::new(Severity::Warn, check, found, Some(advice.to_string()))
    }

    /// It does not work, or it is not safe.
    pub fn fail(check: &str, found: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self::new(Severity::Fail, check, found, Some(advice.to_string()))
    }

    fn new(
        severity: Severity,
        check: &str,
        found: impl fmt::Display,
        advice: Option<String>,
    ) -> Self {
        Self { severity, check: check.to_owned(), found: found.to_string(), advice }
    }
}

//! What was found, line by line.

use std::fmt;

use countersign_server::api::{Finding, Severity};
use serde::Serialize;

/// All lines.
#[derive(Debug, Default, Serialize)]
pub(super) struct Diagnosis {
    checks: Vec<Finding>,
}

impl Diagnosis {
    pub(super) fn ok(&mut self, check: &str, found: impl fmt::Display) {
        self.checks.push(Finding::ok(check, found));
    }

    pub(super) fn warn(
        &mut self,
        check: &str,
        found: impl fmt::Display,
        advice: impl fmt::Display,
    ) {
        self.checks.push(Finding::warn(check, found, advice));
    }

    pub(super) fn fail(
        &mut self,
        check: &str,
        found: impl fmt::Display,
        advice: impl fmt::Display,
    ) {
        self.checks.push(Finding::fail(check, found, advice));
    }

    /// Takes over what a server has found itself.
    pub(super) fn extend(&mut self, findings: Vec<Finding>) {
        self.checks.extend(findings);
    }

    pub(super) fn worst(&self) -> Severity {
        self.checks.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        for Finding { severity, check, found, advice } in &self.checks {
            let severity = match severity {
                Severity::Ok => "ok",
                Severity::Warn => "warn",
                Severity::Fail => "fail",
            };
            write!(f, "{severity:<4}  {check:<width$}  {found}")?;
            if let Some(advice) = advice {
                write!(f, " \u{2013} {advice}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

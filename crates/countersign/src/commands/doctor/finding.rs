//! What was found, line by line.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Ok,
    /// It works, but should be looked at.
    Warn,
    /// It does not work, or it is not safe.
    Fail,
}

/// One line.
#[derive(Debug, Serialize)]
struct Finding {
    severity: Severity,
    /// What was looked at, in a word or two that never change.
    check: &'static str,
    found: String,
    /// What to do.
    advice: Option<String>,
}

/// All lines.
#[derive(Debug, Default, Serialize)]
pub(super) struct Diagnosis {
    checks: Vec<Finding>,
}

impl Diagnosis {
    pub(super) fn ok(&mut self, check: &'static str, found: impl fmt::Display) {
        self.add(Severity::Ok, check, found, None);
    }

    pub(super) fn warn(
        &mut self,
        check: &'static str,
        found: impl fmt::Display,
        advice: impl fmt::Display,
    ) {
        self.add(Severity::Warn, check, found, Some(advice.to_string()));
    }

    pub(super) fn fail(
        &mut self,
        check: &'static str,
        found: impl fmt::Display,
        advice: impl fmt::Display,
    ) {
        self.add(Severity::Fail, check, found, Some(advice.to_string()));
    }

    pub(super) fn worst(&self) -> Severity {
        self.checks.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }

    fn add(
        &mut self,
        severity: Severity,
        check: &'static str,
        found: impl fmt::Display,
        advice: Option<String>,
    ) {
        self.checks.push(Finding { severity, check, found: found.to_string(), advice });
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { severity, check, found, advice } in &self.checks {
            let severity = match severity {
                Severity::Ok => "ok",
                Severity::Warn => "warn",
                Severity::Fail => "fail",
            };
            write!(f, "{severity:<4}  {check:<15}  {found}")?;
            if let Some(advice) = advice {
                write!(f, " \u{2013} {advice}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

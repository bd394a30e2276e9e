//! `countersign import`, and what it reports.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::countersign::Countersign;

/// What an import said.
#[derive(Clone, Debug)]
pub struct ImportReport {
    /// The exit code.
    pub code: Option<i32>,
    /// One for each row, in the form of `-o json`.
    pub rows: Vec<Value>,
    /// The sums.
    pub summary: Value,
    /// Everything as it was printed.
    pub printed: String,
}

impl Countersign {
    /// Imports from another program's database into this server's, which must be
    /// stopped.
    ///
    /// # Errors
    /// If there is no binary, or it ends without a report.
    pub fn import(&self, program: &str, from: &str, options: &[&str]) -> Result<ImportReport> {
        let mut command = self.command()?;
        command.args(["import", program, "--from", from, "-o", "json"]).args(options);
        let output = command.stdin(Stdio::null()).output().context("cannot run the import")?;
        let printed = String::from_utf8(output.stdout)?;
        let lines = printed.lines().map(serde_json::from_str);
        let mut rows = lines.collect::<Result<Vec<Value>, _>>()?;
        let said = || format!("no report: {}", String::from_utf8_lossy(&output.stderr));
        let mut last = rows.pop().with_context(said)?;
        let summary = last.get_mut("summary").with_context(said)?.take();
        Ok(ImportReport { code: output.status.code(), rows, summary, printed })
    }
}

impl ImportReport {
    /// The rows of a table: number, outcome and reason, in order.
    pub fn of(&self, table: &str) -> Vec<(i64, &str, &str)> {
        let rows = self.rows.iter().filter(|row| row["table"] == table);
        rows.map(|row| {
            let [outcome, reason] =
                ["outcome", "reason"].map(|member| row[member].as_str().unwrap_or_default());
            (row["row"].as_i64().unwrap_or_default(), outcome, reason)
        })
        .collect()
    }
}

//! What a command says on stdout: a table for a person, JSON for a script.

use std::io::{self, Write as _};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people: aligned text.
    #[default]
    Table,
    /// For scripts: JSON.
    Json,
}

impl Output {
    /// Writes `value` as JSON, or as the text that `text` makes of it.
    pub(crate) fn show<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self {
            Self::Table => line(text(value).trim_end()),
            Self::Json => line(&json(value)?),
        }
    }
}

/// Writes `value` as JSON on a line of its own.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string(value).map_err(Failure::refused)?)
}

/// Writes one line (or several) to stdout.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Says something to the person at the terminal, on stderr.
pub(crate) fn note(text: &str) {
    // Whoever closed stderr does not want to know.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(Failure::refused)
}

/// A table without lines, readable without colour and cut by `awk`.
pub(crate) fn table<const N: usize>(
    heading: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    trimmed(&table)
}

/// One thing's properties, a line each.
pub(crate) fn properties<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    trimmed(&table)
}

/// An instant to the second, in UTC; `-` for none.
pub(crate) fn instant(instant: Option<Timestamp>) -> String {
    instant.map_or_else(
        || "-".to_owned(),
        |instant| instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

fn trimmed(table: &Table) -> String {
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_decoration() {
        let text = table(["NAME", "STATE"], [["a".into(), "enabled".into()]]);
        assert_eq!(text, "NAME  STATE\na     enabled");
    }
}

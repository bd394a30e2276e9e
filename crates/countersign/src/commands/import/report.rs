//! What becomes of each row: one line each, as it happens, and the sums at the end.

use std::io::{self, BufWriter, Stdout, Write as _};

use countersign_store::{ImportMode, ImportOutcome};
use serde::Serialize;
use serde_json::{Map, json};

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Imported,
    AlreadyThere,
    /// It buys nothing any more, there or here.
    Expired,
    /// It was left out, and why.
    LeftOut(String),
}

impl From<ImportOutcome> for Outcome {
    fn from(outcome: ImportOutcome) -> Self {
        match outcome {
            ImportOutcome::Imported => Self::Imported,
            ImportOutcome::AlreadyThere => Self::AlreadyThere,
            ImportOutcome::LeftOut(why) => Self::LeftOut(why.to_string()),
        }
    }
}

/// How many rows of a table had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    imported: u64,
    already_there: u64,
    expired: u64,
    left_out: u64,
}

/// A line for a script.
#[derive(Serialize)]
struct Line<'a> {
    table: &'a str,
    row: i64,
    outcome: &'a str,
    account: Option<&'a str>,
    reason: Option<&'a str>,
}

/// The report on stdout. It holds no secret: rows go by their numbers.
pub(super) struct Report {
    output: Output,
    mode: ImportMode,
    out: BufWriter<Stdout>,
    tables: Vec<(&'static str, Counts)>,
    without_credentials: u64,
}

impl Report {
    /// A report of nothing yet.
    pub(super) fn new(output: Output, mode: ImportMode) -> Self {
        let out = BufWriter::new(io::stdout());
        Self { output, mode, out, tables: Vec::new(), without_credentials: 0 }
    }

    /// Tells of a row.
    ///
    /// # Errors
    /// If stdout cannot be written.
    pub(super) fn row(
        &mut self,
        table: &'static str,
        row: i64,
        (outcome, account): (Outcome, Option<&str>),
    ) -> Result<(), Failure> {
        if self.tables.is_empty() {
            self.columns(["TABLE", "ROW", "OUTCOME", "ACCOUNT", "REASON"])?;
        }
        let counts = self.counts(table);
        let (count, word, reason) = match &outcome {
            Outcome::Imported => (&mut counts.imported, "imported", None),
            Outcome::AlreadyThere => (&mut counts.already_there, "already_there", None),
            Outcome::Expired => (&mut counts.expired, "expired", None),
            Outcome::LeftOut(why) => (&mut counts.left_out, "left_out", Some(why.as_str())),
        };
        *count += 1;
        match self.output {
            Output::Json => {
                let line = Line { table, row, outcome: word, account, reason };
                self.json(&line)
            }
            Output::Table => self.columns([
                table,
                &row.to_string(),
                &word.replace('_', " "),
                account.unwrap_or("-"),
                reason.unwrap_or_default(),
            ]),
        }
    }

    /// Counts a user that has nothing to be imported.
    pub(super) fn without_credentials(&mut self) {
        self.without_credentials += 1;
    }

    /// Ends with the sums.
    ///
    /// # Errors
    /// The failure that gives the exit code, if a row was left out.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        let dry_run = self.mode == ImportMode::DryRun;
        let (tables, without) = (std::mem::take(&mut self.tables), self.without_credentials);
        if self.output == Output::Json {
            let sums: Map<_, _> =
                tables.iter().map(|(table, counts)| ((*table).to_owned(), json!(counts))).collect();
            self.json(&json!({ "summary": {
                "dry_run": dry_run, "tables": sums, "users_without_credentials": without
            }}))?;
        } else {
            writeln!(self.out)?;
            for (table, counts) in &tables {
                let Counts { imported, already_there, expired, left_out } = counts;
                writeln!(
                    self.out,
                    "{table}: {imported} imported, {already_there} already there, {expired} expired, {left_out} left out"
                )?;
            }
            if without > 0 {
                writeln!(
                    self.out,
                    "{without} users have neither a key nor a JWKS URL: not imported"
                )?;
            }
            if dry_run {
                writeln!(self.out, "a dry run: nothing was written")?;
            }
        }
        self.out.flush()?;
        let is_whole = tables.iter().all(|(_, counts)| counts.left_out == 0);
        if is_whole { Ok(()) } else { Err(Failure::shown(Exit::Refused)) }
    }

    fn counts(&mut self, table: &'static str) -> &mut Counts {
        let place = self.tables.iter().position(|(known, _)| *known == table);
        let place = place.unwrap_or_else(|| {
            self.tables.push((table, Counts::default()));
            self.tables.len() - 1
        });
        &mut self.tables[place].1
    }

    /// A line in columns; lines come before it is known how wide they all are.
    fn columns(
        &mut self,
        [table, row, outcome, account, reason]: [&str; 5],
    ) -> Result<(), Failure> {
        if self.output == Output::Table {
            let line = format!("{table:<37}  {row:<7}  {outcome:<13}  {account:<36}  {reason}");
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, value).map_err(io::Error::from)?;
        writeln!(self.out)?;
        Ok(())
    }
}

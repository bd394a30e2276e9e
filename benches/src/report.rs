//! The table that a benchmark prints.

use crate::pairs::Ratios;

/// On which side of the limit a ratio must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The worse end of the interval must not be below.
    AtLeast,
    /// The worse end of the interval must not be above.
    AtMost,
    /// Printed beside the others, not judged.
    Shown,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is compared.
    pub name: String,
    /// The measured ratios (or differences, if the name says so).
    pub ratios: Ratios,
    /// What they must satisfy.
    pub limit: Limit,
    /// The limit's value.
    pub value: f64,
}

impl Row {
    /// Whether the worse end of the interval satisfies the limit.
    pub fn holds(&self) -> bool {
        let (low, high) = self.ratios.interval();
        match self.limit {
            Limit::AtLeast => low >= self.value,
            Limit::AtMost => high <= self.value,
            Limit::Shown => true,
        }
    }
}

/// Prints the table; whether every limit holds.
#[expect(clippy::print_stdout, reason = "the table is the benchmark's result")]
pub fn print(title: &str, rows: &[Row]) -> bool {
    println!("\n{title}");
    println!("{:<92} {:>8}  {:>17}  {:>10}  ", "", "median", "95% interval", "limit");
    for row in rows {
        let (low, high) = row.ratios.interval();
        let limit = match row.limit {
            Limit::AtLeast => format!(">= {:.2}", row.value),
            Limit::AtMost => format!("<= {:.2}", row.value),
            Limit::Shown => String::new(),
        };
        let verdict = match row.limit {
            Limit::Shown => "",
            _ if row.holds() => "holds",
            _ => "FAILS",
        };
        let interval = format!("{low:.3} .. {high:.3}");
        println!(
            "{:<92} {:>8.3}  {interval:>17}  {limit:>10}  {verdict}",
            row.name,
            row.ratios.median()
        );
    }
    rows.iter().all(Row::holds)
}

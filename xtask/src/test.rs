//! `cargo xtask test`: every test of the workspace, with the tools and the
//! PostgreSQL that they need.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use countersign_testbed::{Durability, Postgres, environment};

use crate::workspace::Workspace;
use crate::{run, tools};

/// Fetches the tools, builds the server that tests start, and runs the tests;
/// the last line says how many passed and failed.
pub(crate) fn run(cargo_arguments: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    let tools = tools::fetch(&workspace)?;
    run::checked(run::cargo().args(["build", "--locked", "--package", "countersign"]))?;

    let mut cargo = run::cargo();
    cargo.args(["test", "--locked", "--no-fail-fast"]);
    if cargo_arguments.is_empty() {
        cargo.arg("--workspace");
    }
    cargo.args(cargo_arguments);
    cargo.envs(tools.iter().map(|tool| (tool.variable, &tool.path)));
    // Stopped when this function ends, in whatever way.
    let postgres = Postgres::start(&tools::postgres(&workspace)?, Durability::Relaxed)?;
    cargo.env(environment::URL, postgres.url()?);
    let binary = workspace.target_directory()?.join("debug/countersign");
    cargo.env("COUNTERSIGN_TEST_BIN", binary);
    // An error that a test returns says enough without a backtrace of its making.
    cargo.env("RUST_LIB_BACKTRACE", "0");

    println!("$ {}", run::shown(&cargo));
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut counts = Counts::default();
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read what cargo test prints")?;
        println!("{line}");
        counts.add(&line);
    }
    let status = child.wait().context("cannot wait for cargo test")?;

    // `cargo test` prints one such line for each test binary; this one is the sum.
    println!("\nsum of {} test binaries:", counts.binaries);
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.ignored);
    if !status.success() {
        bail!("cargo test failed: {status}");
    }
    if counts.passed == 0 {
        bail!("no test was run");
    }
    Ok(())
}

/// The sum of the closing lines of test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    binaries: u32,
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Counts {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...`;
    /// other lines change nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|result| result.split_once(". "))
        else {
            return;
        };
        self.binaries += 1;
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u32>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn closing_lines_are_summed_and_others_are_not() {
        let mut counts = Counts::default();
        for line in [
            "running 5 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.12s",
            "test said_so ... ok",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
            "9 passed; 9 failed",
        ] {
            counts.add(line);
        }
        assert_eq!(counts, Counts { binaries: 2, passed: 7, failed: 2, ignored: 1 });
    }
}

//! `cargo xtask check`: what no compiler and no test sees.

mod dependencies;
mod reach;
mod words;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::run;
use crate::workspace::{self, Workspace};

/// Runs every check, prints all that is wrong, and fails if anything is.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let files = tracked_files()?;
    let mut wrong = 0;
    for (name, findings) in [
        ("dependencies", dependencies::check()?),
        ("words", words::check(&files)?),
        ("reach", reach::check(&workspace, &files)?),
    ] {
        println!("{} {name}", if findings.is_empty() { "ok   " } else { "WRONG" });
        for finding in &findings {
            println!("      {finding}");
        }
        wrong += findings.len();
    }
    if wrong > 0 {
        bail!("{wrong} findings");
    }
    Ok(())
}

/// The files that are, or with the next commit will be, in the repository.
fn tracked_files() -> Result<Vec<PathBuf>> {
    let listed = run::capture(Command::new("git").current_dir(workspace::root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let root = workspace::root();
    Ok(listed.lines().map(|line| root.join(line)).filter(|path| path.is_file()).collect())
}

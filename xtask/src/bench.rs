//! `cargo xtask bench`: each benchmark is a binary that prints its own table of
//! ratios with the limit beside it.

use anyhow::{Result, bail};

use crate::run;
use crate::workspace::Workspace;

const PACKAGE: &str = "countersign-benches";

/// Runs the benchmark of that name, or every one.
pub(crate) fn run(name: Option<&str>) -> Result<()> {
    let workspace = Workspace::load()?;
    let known = workspace.targets(PACKAGE, "bin");
    let chosen: Vec<&str> = match name {
        None => known,
        Some(name) if known.contains(&name) => vec![name],
        Some(name) => bail!("there is no benchmark `{name}`; there are: {}", known.join(", ")),
    };
    if chosen.is_empty() {
        bail!("{PACKAGE} has no benchmark yet");
    }
    for bench in chosen {
        run::checked(run::cargo().args(["run", "--release", "-p", PACKAGE, "--bin", bench]))?;
    }
    Ok(())
}

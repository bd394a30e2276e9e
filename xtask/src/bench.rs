//! `cargo xtask bench`: each benchmark is a binary that prints its own table of
//! ratios with the limit beside it.

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{run, tools};

const PACKAGE: &str = "countersign-benches";

/// Runs the benchmark of that name, or every one; of it, the comparisons whose names
/// contain a text, or all.
pub(crate) fn run(name: Option<&str>, comparisons: Option<&str>) -> Result<()> {
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
    // A benchmark that needs PostgreSQL, Redis or nginx starts its own.
    let postgres = tools::postgres(&workspace)?;
    let redis = tools::redis(&workspace)?;
    let nginx = tools::nginx(&workspace)?;
    for bench in chosen {
        let mut cargo = run::cargo();
        cargo.args(["run", "--release", "-p", PACKAGE, "--bin", bench, "--"]).args(comparisons);
        cargo.env(nginx.variable, &nginx.path).env(redis.variable, &redis.path);
        run::checked(cargo.envs(postgres.variables()))?;
    }
    Ok(())
}

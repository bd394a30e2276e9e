//! `cargo xtask torture`: the tool of that name, with the server in release mode and the
//! engines that it needs. A simulation needs neither.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{run, tools};

const PACKAGE: &str = "countersign-torture";

/// Runs it with these arguments.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.args(["run", "--locked", "--release", "--package", PACKAGE, "--"]).args(arguments);
    if arguments.first().is_some_and(|first| first == "simulate") {
        return run::checked(&mut cargo);
    }
    let workspace = Workspace::load()?;
    run::checked(run::cargo().args([
        "build",
        "--locked",
        "--release",
        "--package",
        "countersign",
    ]))?;
    let postgres = tools::postgres(&workspace)?;
    let faketime = tools::faketime(&workspace)?;
    let binary = workspace.target_directory()?.join("release/countersign");
    let redis = tools::redis(&workspace)?;
    cargo
        .env(redis.variable, redis.path)
        .envs(postgres.variables())
        .env(faketime.variable, faketime.path);
    run::checked(cargo.env("COUNTERSIGN_TEST_BIN", binary))
}

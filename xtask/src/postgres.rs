//! `cargo xtask postgres`: the PostgreSQL of the tests, for running single tests
//! with `cargo test`.

use anyhow::Result;
use countersign_testbed::{Durability, Postgres, environment};

use crate::tools;
use crate::workspace::Workspace;

/// Starts a cluster, prints what tests need to know in the form a shell can
/// read, and waits for Ctrl-C.
pub(crate) fn run() -> Result<()> {
    let template = tools::postgres(&Workspace::load()?)?;
    let postgres = Postgres::start(&template, Durability::Relaxed)?;
    for (variable, path) in template.variables() {
        println!("export {variable}={}", path.display());
    }
    println!("export {}={}", environment::URL, postgres.url()?);
    println!("# PostgreSQL runs until Ctrl-C");
    postgres.wait()
}

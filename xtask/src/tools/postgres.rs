//! PostgreSQL for tests: the server's programs, and a cluster initialised once.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use countersign_testbed::Template;

use super::{debian, once};
use crate::run;

/// The template below `directory`; made anew with another release of the server.
/// Debian's package `postgresql` brings the server's release of that Debian.
pub(super) fn template(directory: &Path, debian: &Path) -> Result<Template> {
    let program = debian::program(debian, "postgresql", "postgres")?;
    let initialiser = debian::program(debian, "postgresql", "initdb")?;
    ensure!(
        initialiser.parent() == program.parent(),
        "{} and {} are of two installations: remove one of them from PATH",
        program.display(),
        initialiser.display()
    );
    let openssl = debian::program(debian, "openssl", "openssl")?;
    let version = run::capture(Command::new(&program).arg("--version"))?;
    let key = format!("{} {version}recipe {}", program.display(), Template::RECIPE);
    let template = directory.join("template");
    once(&template, &key, |template| {
        println!("preparing a cluster of {}", version.trim_end());
        Template::make(template, &program, &openssl).map(drop)
    })?;
    Ok(Template::at(&template, &program))
}

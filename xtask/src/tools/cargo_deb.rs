//! cargo-deb, which makes Debian packages: a pinned version, compiled once.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::once;
use crate::run;

const VERSION: &str = "3.8.0";

/// The program, compiled without optimisation: its runs take longer, its build much less.
pub(super) fn program(directory: &Path) -> Result<PathBuf> {
    once(directory, VERSION, |directory| {
        println!("compiling cargo-deb {VERSION}");
        let build = directory.join("build");
        let mut install = run::cargo();
        install.args(["install", "--quiet", "--locked", "--debug", "--version", VERSION]);
        install.arg("--root").arg(directory).arg("--target-dir").arg(&build).arg("cargo-deb");
        run::capture(&mut install)?;
        std::fs::remove_dir_all(&build)
            .with_context(|| format!("cannot remove {}", build.display()))
    })?;
    Ok(directory.join("bin/cargo-deb"))
}

//! Node, and the packages that `interop/javascript` locks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{debian, once, python};
use crate::run;
use crate::workspace;

/// Node, and the directory of the packages; made anew when the lock changes.
pub(super) struct Node {
    pub(super) program: PathBuf,
    pub(super) modules: PathBuf,
}

/// What `npm` reads: the packages wanted, and exactly which.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// Finds or fetches both.
pub(super) fn fetch(directory: &Path, python: &Path, debian: &Path) -> Result<Node> {
    let [program, npm] = programs(python, debian)?;
    let source = workspace::root().join("interop/javascript");
    let packages = directory.join("packages");
    let mut key = String::new();
    for name in FILES {
        let path = source.join(name);
        key += &fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    once(&packages, &key, |packages| {
        println!("fetching the packages of interop/javascript");
        for name in FILES {
            fs::copy(source.join(name), packages.join(name))?;
        }
        // No script of a package runs here.
        let quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"];
        run::capture(Command::new(npm).current_dir(packages).arg("ci").args(quiet))
            .context("cannot fetch the packages that tests drive")?;
        Ok(())
    })?;
    Ok(Node { program, modules: packages.join("node_modules") })
}

/// `node` and `npm` of this machine, or from a Python package: Debian's Node
/// reads files below `/usr/share` when it starts, so it does not run unpacked.
fn programs(python: &Path, debian: &Path) -> Result<[PathBuf; 2]> {
    if let [Some(node), Some(npm)] = ["node", "npm"].map(debian::installed) {
        return Ok([node, npm]);
    }
    let interpreter = python::environment(python, debian, "nodejs-24.19.0")?;
    Ok(["node", "npm"].map(|name| interpreter.with_file_name(name)))
}

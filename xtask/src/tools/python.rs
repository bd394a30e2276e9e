//! Python environments with pinned packages, one per requirements file in
//! `interop/python`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, iter};

use anyhow::{Context as _, Result, bail};

use super::{debian, once};
use crate::run;
use crate::workspace;

/// The interpreter of an environment that holds what
/// `interop/python/NAME.txt` requires; made anew when that file changes.
pub(super) fn environment(directory: &Path, debian: &Path, name: &str) -> Result<PathBuf> {
    let file = workspace::root().join("interop/python").join(format!("{name}.txt"));
    let requirements =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let interpreter = system_interpreter()?;
    let environment = directory.join(name);
    let key = format!("{interpreter}\n{requirements}");
    once(&environment, &key, |environment| {
        println!("making a Python environment for {name}");
        make(environment, debian, &file)
    })?;
    Ok(environment.join("bin/python"))
}

/// The version of `python3`, as part of the key: an environment does not
/// outlive the interpreter it was made with.
fn system_interpreter() -> Result<String> {
    let version = "import sys; print(sys.executable, sys.version)";
    let enough = "import sys; sys.exit(sys.version_info < (3, 11))";
    if run::capture(Command::new("python3").args(["-c", enough])).is_err() {
        bail!("Python 3.11 or newer is needed; please run\n    {}", debian::BY_HAND);
    }
    run::capture(Command::new("python3").args(["-c", version]))
}

fn make(environment: &Path, debian: &Path, requirements: &Path) -> Result<()> {
    run::capture(Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(environment))?;
    let python = environment.join("bin/python");
    let mut pip = Command::new(&python);
    if run::capture(Command::new(&python).args(["-m", "ensurepip"])).is_err() {
        // Debian keeps pip out of `python3` and has it as a wheel, which an
        // interpreter can run from where it lies.
        pip.env("PYTHONPATH", pip_wheel(&debian::unpacked(debian, "python3-pip-whl")?)?);
    }
    // The file names every package: pip chooses none, and what one of them says of
    // the others does not bind, where it rules out each release that still works.
    run::capture(
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .arg("-r")
            .arg(requirements),
    )
    .context("cannot install the Python packages that tests drive")?;
    Ok(())
}

fn pip_wheel(root: &Path) -> Result<PathBuf> {
    let wheels = root.join("usr/share/python-wheels");
    iter::once(wheels.clone())
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("pip-") && path.extension().is_some_and(|found| found == "whl")
        })
        .with_context(|| format!("{} holds no pip", wheels.display()))
}

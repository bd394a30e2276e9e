//! `cargo xtask package`: the Debian package. What is in it stands in
//! `crates/countersign/Cargo.toml` and `packaging/debian`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::workspace::Workspace;
use crate::{run, tools};

/// What differs from the package that users get.
#[derive(Args)]
pub(crate) struct PackageArguments {
    /// Where the package goes. [default: target/debian]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// A binary that is there already, in place of one that is built in release mode.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// The package's version, in place of the workspace's.
    #[arg(long)]
    version: Option<String>,
    /// Compress less.
    #[arg(long)]
    fast: bool,
}

/// Lays out what goes into the package, and makes it.
pub(crate) fn run(arguments: &PackageArguments) -> Result<()> {
    let workspace = Workspace::load()?;
    let target = workspace.target_directory()?;
    let cargo_deb = tools::cargo_deb(&workspace)?;
    let binary = arguments.binary.clone().map_or_else(|| released(&target), Ok)?;
    let output = arguments.output.clone().unwrap_or_else(|| target.join("debian"));
    let layout = output.join("layout");
    lay_out(&binary, &layout.join("release"))?;

    let mut make = Command::new(cargo_deb);
    make.current_dir(crate::workspace::root()).env("CARGO_TARGET_DIR", &layout);
    make.args(["--package", "countersign", "--locked", "--no-build", "--strip"]);
    make.arg("--output").arg(&output);
    if let Some(version) = &arguments.version {
        make.args(["--deb-version", version]);
    }
    if arguments.fast {
        make.arg("--fast");
    }
    // It prints the path of the package.
    run::checked(&mut make)?;
    remove(&layout)
}

/// The binary as it is released.
fn released(target: &Path) -> Result<PathBuf> {
    let build = ["build", "--locked", "--release", "--package", "countersign"];
    run::checked(run::cargo().args(build))?;
    Ok(target.join("release/countersign"))
}

/// Puts everything that has to be made where cargo-deb looks for what cargo builds.
fn lay_out(binary: &Path, release: &Path) -> Result<()> {
    // Left by a run that came to no end.
    if release.exists() {
        remove(release)?;
    }
    let completions = release.join("completions");
    fs::create_dir_all(&completions)
        .with_context(|| format!("cannot make {}", completions.display()))?;
    let program = release.join("countersign");
    fs::copy(binary, &program).with_context(|| format!("cannot copy {}", binary.display()))?;
    for shell in ["bash", "zsh", "fish"] {
        let script = run::capture(Command::new(&program).args(["completions", shell]))?;
        fs::write(completions.join(shell), script).context("cannot write the completions")?;
    }
    let man = release.join("man");
    run::capture(Command::new(&program).arg("man").arg(&man))?;
    // cargo-deb compresses manual pages, but none from here. Without a name and a time in
    // them they are the same each time.
    run::capture(Command::new("gzip").args(["-9", "--no-name", "--recursive"]).arg(&man))?;
    Ok(())
}

fn remove(directory: &Path) -> Result<()> {
    fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))
}

//! Where things are, and the workspace as cargo describes it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::run;

/// The repository's root directory.
pub(crate) fn root() -> &'static Path {
    // Unwrap safety: this file's package is a direct child of the root.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask has a parent directory")
}

/// What `cargo metadata` says about the workspace's own packages.
pub(crate) struct Workspace(Value);

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let json = run::capture(run::cargo().args([
            "metadata",
            "--format-version=1",
            "--no-deps",
            "--locked",
        ]))?;
        Ok(Self(serde_json::from_str(&json).context("cargo metadata did not print JSON")?))
    }

    /// Cargo's target directory.
    pub(crate) fn target_directory(&self) -> Result<PathBuf> {
        Ok(self.0["target_directory"].as_str().context("cargo metadata: target_directory")?.into())
    }

    /// The names of a package's targets of one kind (`bin`, `test`, ...).
    pub(crate) fn targets(&self, package: &str, kind: &str) -> Vec<&str> {
        array(&self.0["packages"])
            .filter(|found| found["name"] == package)
            .flat_map(|found| array(&found["targets"]))
            .filter(|target| array(&target["kind"]).any(|found| found == kind))
            .filter_map(|target| target["name"].as_str())
            .collect()
    }

    /// The root source file of every target of every package.
    pub(crate) fn target_files(&self) -> Vec<PathBuf> {
        array(&self.0["packages"])
            .flat_map(|package| array(&package["targets"]))
            .filter_map(|target| target["src_path"].as_str())
            .map(PathBuf::from)
            .collect()
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

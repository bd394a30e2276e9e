//! Where the repository and the tools are.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The repository's root directory.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The program that an environment variable names, for example
/// `COUNTERSIGN_TEST_NGINX`.
///
/// # Errors
/// If the variable is not set: these tests are run by `cargo xtask test`.
pub fn tool(variable: &str) -> Result<PathBuf> {
    env::var_os(variable).map(PathBuf::from).with_context(|| {
        format!("{variable} is not set: run `cargo xtask test`, which fetches the tools and says where they are")
    })
}

//! What `cargo xtask` tells tests and benchmarks.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// The server program, with the other programs of its release beside it.
pub const PROGRAM: &str = "COUNTERSIGN_TEST_POSTGRES";

/// The directory of the [`Template`](crate::Template).
pub const TEMPLATE: &str = "COUNTERSIGN_TEST_POSTGRES_TEMPLATE";

/// The file with the certificate of the authority that clusters show theirs of.
pub const CA: &str = "COUNTERSIGN_TEST_POSTGRES_CA";

/// The URL of the cluster that all tests of a run share, as its superuser.
pub const URL: &str = "COUNTERSIGN_TEST_POSTGRES_URL";

/// The program of a Redis server.
pub const REDIS: &str = "COUNTERSIGN_TEST_REDIS";

/// The value of one of these variables.
///
/// # Errors
/// If it is not set: these tests are run by `cargo xtask test`.
pub fn variable(name: &str) -> Result<String> {
    env::var(name)
        .with_context(|| format!("{name} is not set: run `cargo xtask test`, which fetches it"))
}

/// The path in one of these variables.
pub(crate) fn path(name: &str) -> Result<PathBuf> {
    Ok(variable(name)?.into())
}

//! The library that shows a program another clock, from Debian.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::debian;

const PACKAGE: &str = "libfaketime";
/// Where a directory of libraries has it.
const LIBRARY: &str = "faketime/libfaketime.so.1";

/// Finds or fetches it.
pub(super) fn fetch(directory: &Path) -> Result<PathBuf> {
    let in_root = |root: &Path| -> Result<Option<PathBuf>> {
        let libraries = debian::library_directories(root)?;
        Ok(libraries.into_iter().map(|found| found.join(LIBRARY)).find(|file| file.is_file()))
    };
    if let Some(own) = in_root(Path::new("/"))? {
        return Ok(own);
    }
    let unpacked = in_root(&debian::unpacked(directory, PACKAGE)?)?;
    unpacked.with_context(|| format!("no {LIBRARY} in the package {PACKAGE}"))
}

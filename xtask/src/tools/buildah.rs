//! buildah, which builds images without a service.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{debian, once};
use crate::run;

/// Finds or fetches it.
pub(super) fn fetch(directory: &Path, debian: &Path) -> Result<PathBuf> {
    if let Some(found) = debian::installed("buildah") {
        return Ok(found);
    }
    let root = debian::unpacked(debian, "buildah")?;
    let libraries = env::join_paths(debian::library_directories(&root)?)?;
    let program = directory.join("buildah");
    once(directory, &libraries.to_string_lossy(), |_| {
        // It starts itself again, with no variable that names libraries: so they are named
        // in the program.
        let patchelf = debian::program(debian, "patchelf", "patchelf")?;
        fs::copy(root.join("usr/bin/buildah"), &program)
            .with_context(|| format!("{} holds no buildah", root.display()))?;
        let mut patch = Command::new(patchelf);
        patch.args(["--force-rpath", "--set-rpath"]).arg(&libraries).arg(&program);
        run::capture(&mut patch).map(drop)
    })?;
    Ok(program)
}

//! Apache with `mod_oauth2`, from Debian.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::debian;

/// The package that depends on everything else.
const PACKAGE: &str = "libapache2-mod-oauth2";
/// Where Debian's packages put modules.
const MODULES: &str = "usr/lib/apache2/modules";
/// The module that not every Apache has.
const MODULE: &str = "mod_oauth2.so";

/// Apache and the directory of its modules: of this machine if it has the module.
pub(super) struct Apache {
    pub(super) program: PathBuf,
    pub(super) modules: PathBuf,
}

/// Finds or fetches both.
pub(super) fn fetch(directory: &Path) -> Result<Apache> {
    let own = Path::new("/").join(MODULES);
    match debian::installed("apache2") {
        Some(program) if own.join(MODULE).is_file() => Ok(Apache { program, modules: own }),
        _ => {
            let program = debian::unpacked_program(directory, PACKAGE, "apache2")?;
            Ok(Apache { program, modules: directory.join(PACKAGE).join(MODULES) })
        }
    }
}

//! Chromium and the driver that tests steer it by, from Debian.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::debian;

/// The package that depends on the browser.
const DRIVER: &str = "chromium-driver";
/// Where the package has the program itself, behind a script that expects it there.
const BROWSER: &str = "usr/lib/chromium/chromium";

/// Both programs.
pub(super) struct Chromium {
    pub(super) browser: PathBuf,
    pub(super) driver: PathBuf,
}

/// Finds or fetches both, of one version: the driver refuses another's browser.
pub(super) fn fetch(directory: &Path) -> Result<Chromium> {
    let own = Path::new("/").join(BROWSER);
    match debian::installed("chromedriver") {
        Some(driver) if own.is_file() => Ok(Chromium { browser: own, driver }),
        _ => Ok(Chromium {
            driver: debian::unpacked_program(directory, DRIVER, "chromedriver")?,
            browser: debian::unpacked_program(directory, DRIVER, "chromium")?,
        }),
    }
}

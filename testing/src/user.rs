//! The user that PostgreSQL runs as: the present one, or `nobody` where that is
//! root, as which PostgreSQL refuses to run.

use std::fs;
use std::os::unix::fs::lchown;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::process::geteuid;

/// The number of the user `nobody` and the group `nogroup`, on every Debian.
const NOBODY: u32 = 65534;

/// A command that runs a program as that user, and ends it at once when the
/// thread that started it is gone, however that came about.
///
/// `setpriv` is part of Debian's essential `util-linux`, and does what is unsafe
/// to do between `fork` and `exec` in this process. As `nobody` the program
/// keeps root's right to walk through directories, without which it would not
/// reach a target directory below a home that is closed to others.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if geteuid().is_root() {
        command.arg(format!("--reuid={NOBODY}")).arg(format!("--regid={NOBODY}"));
        command.args(["--clear-groups", "--inh-caps=+dac_override"]);
        command.args(["--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]);
    }
    // Its messages are read here.
    command.arg("--").arg(program).env("LC_ALL", "C");
    command
}

/// Gives a file or a whole directory to that user: PostgreSQL runs on no data
/// of another.
pub(crate) fn give(path: &Path) -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    lchown(path, Some(NOBODY), Some(NOBODY))
        .with_context(|| format!("cannot give {} to the user nobody", path.display()))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path())?;
        }
    }
    Ok(())
}

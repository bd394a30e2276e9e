//! A Debian system in an archive, for tests to install our package into.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::{debian, once};
use crate::run;

/// What our package depends on, beside what every system has.
const INCLUDE: &str = "adduser,ca-certificates";
/// Where Debian and Ubuntu say where packages come from; other files there are somebody else's.
const SOURCES: [&str; 3] = [
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d/debian.sources",
    "/etc/apt/sources.list.d/ubuntu.sources",
];
/// What to do as another user.
const AS_ROOT: &str = "sudo --preserve-env env \"PATH=$PATH\" cargo xtask test";

/// The archive of the smallest system that has apt: of this machine's release, because our binary
/// needs its libraries. It has no systemd.
pub(super) fn archive(directory: &Path, debian: &Path) -> Result<PathBuf> {
    if !debian::is_root()? {
        bail!(
            "the Debian package is tested in a system of its own, which only root can make and enter; please run\n    {AS_ROOT}"
        );
    }
    let release = release()?;
    let mmdebstrap = debian::program(debian, "mmdebstrap", "mmdebstrap")?;
    let archive = directory.join("root.tar");
    once(directory, &format!("{release} {INCLUDE}"), |directory| {
        println!("making a Debian system ({release})");
        let mut make = Command::new(mmdebstrap);
        make.args(["--mode=root", "--variant=minbase", "--include", INCLUDE, &release]);
        make.arg(&archive).args(SOURCES.iter().filter(|file| names_a_source(file)));
        // The system is put together there, and /tmp may allow no devices.
        make.env("TMPDIR", directory);
        run::capture(&mut make)?;
        Ok(())
    })?;
    Ok(archive)
}

/// This machine's release of Debian, such as `bookworm`.
fn release() -> Result<String> {
    let file = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let name = file.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.context("/etc/os-release has no VERSION_CODENAME")?.trim_matches('"').to_owned())
}

fn names_a_source(file: &str) -> bool {
    fs::read_to_string(file)
        .is_ok_and(|text| text.lines().any(|line| line.starts_with("deb ") || line == "Types: deb"))
}

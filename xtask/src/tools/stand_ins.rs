//! What the images that tests put in the place of official ones are made of: Debian packages
//! on top of the minimal Debian, this machine's Rust, and the sources of our libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{debian, once};
use crate::run;
use crate::workspace;

/// For each image what is installed.
const IMAGES: [(&str, &[&str]); 4] = [
    ("nginx", &["nginx", "wget"]),
    ("postgres", &["postgresql", "tzdata"]),
    ("redis", &["redis-server"]),
    ("rust", &["gcc", "libc6-dev"]),
];

/// A directory with `NAME/archives` for each image, and `vendor`.
pub(super) fn fetch(directory: &Path, minimal_debian: &Path) -> Result<PathBuf> {
    for (name, packages) in IMAGES {
        let image = directory.join(name);
        let below = fs::read_to_string(minimal_debian.with_file_name("complete"))?;
        once(&image, &format!("{packages:?} on {below}"), |image| {
            println!("fetching the Debian packages {packages:?}");
            let installed = image.join("status");
            fs::write(&installed, dpkg_status(minimal_debian)?)?;
            let archives = image.join("archives");
            fs::create_dir(&archives)?;
            debian::download(&archives, packages, &installed)
        })?;
    }
    let lock = workspace::root().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("{}", lock.display()))?;
    once(&directory.join("vendor"), &lock, |vendor| {
        println!("unpacking the sources of all libraries");
        let mut cargo = run::cargo();
        cargo.args(["vendor", "--locked", "--quiet"]).arg(vendor.join("sources"));
        run::capture(cargo.current_dir(workspace::root())).map(drop)
    })?;
    Ok(directory.to_owned())
}

/// What is installed in an archived system.
fn dpkg_status(archive: &Path) -> Result<String> {
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--to-stdout", "--file"]).arg(archive).arg("./var/lib/dpkg/status");
    run::capture(&mut tar)
}

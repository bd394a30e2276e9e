//! Programs from Debian packages: the one on this machine if there is one, else
//! the package and its missing dependencies, unpacked under `target/`.
//!
//! Unpacking runs no maintainer script, so it needs no root and starts no
//! service.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, anyhow, bail};

use super::once;
use crate::run;

/// What to do by hand where packages cannot be fetched.
pub(super) const BY_HAND: &str = "sudo apt-get update && sudo apt-get install -y \
    buildah chromium chromium-driver debootstrap docker.io golang-go golang-gopkg-square-go-jose.v2-dev haproxy iproute2 \
    libapache2-mod-oauth2 nginx nodejs npm openssl openssh-client postgresql python3-venv redis-server systemd";

/// Where programs are, whatever the user's `PATH`.
/// The second is where a browser is whose script in `usr/bin` looks for it from the root.
const PROGRAMS: [&str; 4] = ["usr/sbin", "usr/lib/chromium", "usr/bin", "usr/local/sbin"];

/// What dpkg has installed on this machine.
const INSTALLED_HERE: &str = "/var/lib/dpkg/status";

/// Where Debian keeps the programs of each release of PostgreSQL.
const POSTGRES: &str = "usr/lib/postgresql";

/// Directories of libraries that programs find only from the root.
const PRIVATE_LIBRARIES: [&str; 2] = ["pulseaudio", "systemd"];

/// A program of this machine, or from a package unpacked under `directory`.
pub(super) fn program(directory: &Path, package: &str, name: &str) -> Result<PathBuf> {
    match installed(name) {
        Some(found) => Ok(found),
        None => unpacked_program(directory, package, name),
    }
}

/// A program from a package unpacked under `directory`.
pub(super) fn unpacked_program(directory: &Path, package: &str, name: &str) -> Result<PathBuf> {
    let root = unpacked(directory, package)?;
    let wrapper = root.join("run").join(name);
    write_wrapper(&root, name, &wrapper)?;
    Ok(wrapper)
}

/// The directory in which a package and its missing dependencies are unpacked.
pub(super) fn unpacked(directory: &Path, package: &str) -> Result<PathBuf> {
    let root = directory.join(package);
    once(&root, package, |root| {
        println!("fetching Debian package {package}");
        fetch(root, package).map_err(|error| {
            anyhow!(
                "cannot fetch the Debian package {package}: {error:#}; please run\n    {BY_HAND}"
            )
        })
    })?;
    Ok(root)
}

/// A program of this machine.
pub(super) fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(program_directories(Path::new("/")))
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

/// The directories of programs below a root, the newest release of PostgreSQL
/// first.
fn program_directories(root: &Path) -> Vec<PathBuf> {
    let mut releases: Vec<(u32, PathBuf)> = fs::read_dir(root.join(POSTGRES))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin"))))
        .collect();
    releases.sort();
    let releases = releases.into_iter().rev().map(|(_, directory)| directory);
    PROGRAMS.iter().map(|directory| root.join(directory)).chain(releases).collect()
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn fetch(root: &Path, package: &str) -> Result<()> {
    let archives = root.join("archives");
    fs::create_dir_all(&archives)?;
    download(&archives, &[package], Path::new(INSTALLED_HERE))?;
    for archive in fs::read_dir(&archives)? {
        run::capture(Command::new("dpkg-deb").arg("--extract").arg(archive?.path()).arg(root))?;
    }
    Ok(())
}

/// Downloads packages and those of their dependencies that a system lacks, which has what
/// this file of dpkg says; apt checks their signatures.
pub(super) fn download(archives: &Path, packages: &[&str], installed: &Path) -> Result<()> {
    if download_listed(archives, packages, installed).is_ok() {
        return Ok(());
    }
    // A fresh container has no package lists, an old machine outdated ones.
    // Only root may renew them, and doing so changes nothing else.
    if !is_root()? {
        bail!("the package lists of this machine are empty or out of date");
    }
    run::checked(Command::new("apt-get").args(["update", "--quiet=2"]))?;
    download_listed(archives, packages, installed)
}

fn download_listed(archives: &Path, packages: &[&str], installed: &Path) -> Result<()> {
    let mut simulate = Command::new("apt-get");
    simulate.env("LC_ALL", "C").args(["install", "--simulate", "--no-install-recommends"]);
    simulate.arg("--option").arg(format!("Dir::State::status={}", installed.display()));
    let plan = run::capture(simulate.args(packages))?;
    let missing: Vec<String> = plan.lines().filter_map(planned).collect();
    if missing.is_empty() {
        bail!("apt-get would install nothing for {}", packages.join(" "));
    }
    run::capture(Command::new("apt-get").current_dir(archives).arg("download").args(&missing))?;
    Ok(())
}

/// `name=version` from a line like `Inst nginx (1.22.1-9 Debian:12 [amd64])`;
/// an upgrade has the present version in brackets before the parenthesis.
fn planned(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
    let version = rest.split_once('(')?.1.split([' ', ')']).next()?;
    Some(format!("{name}={version}"))
}

/// Whether this is root, who may renew package lists and enter other systems.
pub(super) fn is_root() -> Result<bool> {
    Ok(run::capture(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Writes a script that runs an unpacked program with the libraries unpacked
/// beside it. `exec` keeps the process id, so that a test kills the program
/// itself.
fn write_wrapper(root: &Path, name: &str, wrapper: &Path) -> Result<()> {
    let program = program_directories(root)
        .into_iter()
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
        .with_context(|| format!("{} holds no program {name}", root.display()))?;
    let libraries = library_directories(root)?;
    let modules = libraries
        .iter()
        .map(|directory| directory.join("ossl-modules"))
        .find(|directory| directory.is_dir())
        .map(|modules| format!("export OPENSSL_MODULES='{}'\n", modules.display()))
        .unwrap_or_default();
    let script = format!(
        "#!/bin/sh\n{modules}export LD_LIBRARY_PATH='{}'\nexec '{}' \"$@\"\n",
        env::join_paths(libraries)?.to_string_lossy(),
        program.display()
    );

    fs::create_dir_all(root.join("run"))?;
    fs::write(wrapper, script)?;
    fs::set_permissions(wrapper, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// `lib` and `usr/lib` with their directories for one architecture each, and in these
/// [`PRIVATE_LIBRARIES`].
pub(super) fn library_directories(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for parent in ["usr/lib", "lib"].map(|name| root.join(name)).into_iter().filter(|p| p.is_dir())
    {
        for entry in fs::read_dir(&parent)? {
            let path = entry?.path();
            if path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu") {
                let private = PRIVATE_LIBRARIES.iter().map(|name| path.join(name));
                found.extend(private.filter(|directory| directory.is_dir()));
                found.push(path);
            }
        }
        found.push(parent);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::planned;

    #[test]
    fn the_plan_of_apt_is_read() {
        let lines = [
            ("Inst nginx (1.22.1-9+deb12u7 Debian:12 [amd64])", Some("nginx=1.22.1-9+deb12u7")),
            ("Inst libc6 [2.36-8] (2.36-9 Debian:12 [amd64]) []", Some("libc6=2.36-9")),
            ("Inst base (1:2.3)", Some("base=1:2.3")),
            ("Conf nginx (1.22.1-9+deb12u7 Debian:12 [amd64])", None),
            ("Reading package lists...", None),
        ];
        for (line, expected) in lines {
            assert_eq!(planned(line).as_deref(), expected, "{line}");
        }
    }
}

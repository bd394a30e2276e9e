//! A minimal Debian of this machine's release, for images and to install our package into:
//! what was compiled here runs there. It has no systemd.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};

use super::{debian, once};
use crate::run;

/// The name of the archive; `interop/image/debian.Dockerfile` says it too.
const ARCHIVE: &str = "debian.tar";

/// What no program of the tests reads, and what apt would fetch again.
const LEFT_OUT: [&str; 7] = [
    "./usr/lib/*/gconv",
    "./usr/share/doc",
    "./usr/share/info",
    "./usr/share/locale",
    "./usr/share/man",
    "./var/cache/apt",
    "./var/lib/apt/lists",
];

/// A system, by what it has beside what every system has.
#[derive(Clone, Copy)]
pub(super) enum System {
    /// What our package depends on.
    Bare,
    /// Also what the machine of an operator has who follows our pages: gateways, and what they are
    /// tried with.
    Operated,
}

impl System {
    fn packages(self) -> &'static str {
        match self {
            Self::Bare => "adduser,ca-certificates",
            Self::Operated => {
                "adduser,apache2,ca-certificates,curl,haproxy,iproute2,libapache2-mod-oauth2,nginx"
            }
        }
    }
}

/// What to do as another user.
const AS_ROOT: &str = "sudo --preserve-env env \"PATH=$PATH\" cargo xtask test";

/// An archive of its files, made once.
pub(super) fn fetch(directory: &Path, debian: &Path, system: System) -> Result<PathBuf> {
    if !debian::is_root()? {
        bail!(
            "image and package are tested in systems of their own, which only root can make and enter; please run\n    {AS_ROOT}"
        );
    }
    let release = release()?;
    let mirror = mirror(&release)?;
    let packages = system.packages();
    let key = format!("{release} {mirror} with {packages} without {LEFT_OUT:?}");
    once(directory, &key, |directory| {
        println!("making a minimal Debian {release} with {packages}");
        let root = directory.join("root");
        let made = bootstrap(&root, debian, packages, [&release, &mirror]);
        made.and_then(|()| archive(&root, &directory.join(ARCHIVE))).with_context(|| {
            format!("cannot make a minimal Debian; perhaps this helps:\n    {}", debian::BY_HAND)
        })
    })?;
    Ok(directory.join(ARCHIVE))
}

fn bootstrap(
    root: &Path,
    debian: &Path,
    packages: &str,
    [release, mirror]: [&str; 2],
) -> Result<()> {
    let debootstrap = debian::program(debian, "debootstrap", "debootstrap")?;
    // In a mount namespace, so that what it mounts below `root` is gone with it.
    let mut make = Command::new("unshare");
    make.arg("--mount").arg(debootstrap).arg("--variant=minbase");
    make.arg(format!("--include={packages}")).arg(release);
    make.arg(root).arg(mirror).env("LC_ALL", "C");
    let unpacked = debian.join("debootstrap");
    let scripts = unpacked.join("usr/share/debootstrap");
    if scripts.is_dir() {
        make.env("DEBOOTSTRAP_DIR", scripts);
        // It fetches with wget, which came along if this machine has none.
        let own = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
        let programs = own.into_iter().chain([unpacked.join("usr/bin")]);
        make.env("PATH", env::join_paths(programs)?);
    }
    run::capture(&mut make)?;
    Ok(())
}

/// Puts a system into a file; its directory is gone then.
fn archive(root: &Path, file: &Path) -> Result<()> {
    let mut archive = Command::new("tar");
    archive.args(["--create", "--numeric-owner", "--file"]).arg(file);
    archive.args(LEFT_OUT.map(|path| format!("--exclude={path}/*")));
    run::capture(archive.arg("--directory").arg(root).arg("."))?;
    fs::remove_dir_all(root).with_context(|| format!("cannot remove {}", root.display()))
}

/// The code name of this machine's release.
fn release() -> Result<String> {
    let file = "/etc/os-release";
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let name = name.map(|name| name.trim_matches('"')).filter(|name| !name.is_empty());
    Ok(name.with_context(|| format!("{file} names no release with a package archive"))?.to_owned())
}

/// From where this machine has its packages.
fn mirror(release: &str) -> Result<String> {
    let targets = run::capture(Command::new("apt-get").args([
        "indextargets",
        "--format",
        // A source may be called by the code name or by `stable`.
        "$(CODENAME) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    let main = format!("{release} main ");
    let mirror = targets.lines().find_map(|line| line.strip_prefix(&main));
    let mirror = mirror.with_context(|| format!("apt has no source for {release} main"))?;
    ensure!(!mirror.contains(char::is_whitespace), "apt's source is no single URL: {mirror}");
    Ok(mirror.to_owned())
}

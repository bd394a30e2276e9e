//! Docker's engine and its commands, for the tests of containers.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{debian, once};
use crate::run;

/// Packages and programs that commands need beside the engine.
const COMMANDS: [(&str, &str); 2] = [("iproute2", "ip"), ("openssl", "openssl")];

/// Where the program that prints this has its package `compose`.
const WHERE_IS_COMPOSE: &str =
    "import importlib.util as i; print(i.find_spec('compose').submodule_search_locations[0])";

/// A program that runs another one where engine, `docker` and `docker compose` are found;
/// the latter comes from a Python environment.
pub(super) fn fetch(directory: &Path, debian: &Path, python: &Path) -> Result<PathBuf> {
    let root = match debian::installed("dockerd") {
        Some(_) => PathBuf::from("/"),
        None => debian::unpacked(debian, "docker.io")?,
    };
    let compose = run::capture(Command::new(python).args(["-c", WHERE_IS_COMPOSE]))?;
    let compose = Path::new(compose.trim()).join("docker-compose");
    let program = directory.join("with-docker");
    let commands = COMMANDS
        .map(|(package, name)| Ok((name, debian::program(debian, package, name)?)))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let key = format!("{} {} {commands:?}", root.display(), compose.display());
    once(directory, &key, |directory| {
        let plugins = directory.join("configuration/cli-plugins");
        fs::create_dir_all(&plugins)?;
        symlink(&compose, plugins.join("docker-compose"))?;
        let own = directory.join("bin");
        fs::create_dir(&own)?;
        for (name, path) in &commands {
            symlink(path, own.join(name))?;
        }
        // Installing the package would make these links.
        let tables = root.join("usr/sbin/xtables-nft-multi");
        if tables.exists() {
            for name in ["iptables", "iptables-restore", "iptables-save", "ip6tables"] {
                symlink(&tables, own.join(name))?;
            }
        }
        fs::write(&program, script(&root, directory)?)?;
        Ok(fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?)
    })?;
    Ok(program)
}

fn script(root: &Path, directory: &Path) -> Result<String> {
    let libraries = debian::library_directories(root)?;
    // Where this machine has iptables, it finds its own extensions.
    let mut extensions = libraries.iter().map(|library| library.join("xtables"));
    let extensions = extensions.find(|it| it.is_dir()).map(|it| it.display().to_string());
    let extensions =
        extensions.map(|path| format!("export XTABLES_LIBDIR='{path}'\n")).unwrap_or_default();
    Ok(format!(
        "#!/bin/sh
export PATH='{directory}/bin:{root}/usr/bin:{root}/usr/sbin':$PATH
export LD_LIBRARY_PATH='{}'
{extensions}export DOCKER_CONFIG='{directory}/configuration'
export DOCKER_HOST=unix:///run/docker.sock DOCKER_BUILDKIT=1
exec \"$@\"
",
        env::join_paths(&libraries)?.display(),
        directory = directory.display(),
        root = root.display(),
    ))
}

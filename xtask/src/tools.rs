//! The programs that tests drive: found on this machine, or fetched into
//! `target/tools`. Nothing is installed and no service is started.

mod apache;
mod buildah;
mod cargo_deb;
mod chromium;
mod debian;
mod docker;
mod faketime;
mod go;
mod minimal_debian;
mod node;
mod postgres;
mod python;
mod stand_ins;

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};
use countersign_testbed::Template;

use self::minimal_debian::System;
use crate::workspace::Workspace;

/// A tool, and the environment variable that tells tests where it is.
pub(crate) struct Tool {
    /// Read by the tests.
    pub(crate) variable: &'static str,
    /// The program.
    pub(crate) path: PathBuf,
}

/// `cargo xtask tools`: fetches everything and prints what tests need to know,
/// in the form a shell can read.
pub(crate) fn run() -> Result<()> {
    for tool in fetch(&Workspace::load()?)? {
        println!("export {}={}", tool.variable, tool.path.display());
    }
    Ok(())
}

/// Finds or fetches every tool.
pub(crate) fn fetch(workspace: &Workspace) -> Result<Vec<Tool>> {
    let directory = directory(workspace)?;
    let debian = directory.join("debian");
    let python = directory.join("python");
    // First, because it says at once what only root may do.
    let minimal_debian =
        minimal_debian::fetch(&directory.join("minimal-debian"), &debian, System::Bare)?;
    let operated_debian =
        minimal_debian::fetch(&directory.join("operated-debian"), &debian, System::Operated)?;
    let apache = apache::fetch(&debian)?;
    let chromium = chromium::fetch(&debian)?;
    let node = node::fetch(&directory.join("node"), &python, &debian)?;
    let compose = python::environment(&python, &debian, "compose")?;
    let postgres = postgres(workspace)?.variables().map(|(variable, path)| Tool { variable, path });
    let mut tools = Vec::from(postgres);
    tools.extend([
        nginx(workspace)?,
        Tool {
            variable: "COUNTERSIGN_TEST_HAPROXY",
            path: debian::program(&debian, "haproxy", "haproxy")?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_OPENSSL",
            path: debian::program(&debian, "openssl", "openssl")?,
        },
        redis(workspace)?,
        Tool {
            variable: "COUNTERSIGN_TEST_SSH_KEYGEN",
            path: debian::program(&debian, "openssh-client", "ssh-keygen")?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_PYTHON",
            path: python::environment(&python, &debian, "asymmetric-jwt-auth-1.3.0")?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_PYTHON_1_0",
            path: python::environment(&python, &debian, "asymmetric-jwt-auth-1.0.1b6")?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_JWTHENTICATOR",
            path: python::environment(&python, &debian, "jwthenticator-1.6.3")?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_PYJWT",
            path: python::environment(&python, &debian, "pyjwt-2.15.1")?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_GATEWAYS",
            path: python::environment(&python, &debian, "gateways")?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_PYRAMID_JWTAUTH",
            path: python::environment(&python, &debian, "pyramid-jwtauth-0.1.3")?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_SCHEMATHESIS",
            path: python::environment(&python, &debian, "schemathesis-4.32.5")?,
        },
        Tool { variable: "COUNTERSIGN_TEST_CHROMIUM", path: chromium.browser },
        Tool { variable: "COUNTERSIGN_TEST_CHROMEDRIVER", path: chromium.driver },
        Tool {
            variable: "COUNTERSIGN_TEST_CONTAINERS",
            path: python::environment(&python, &debian, "containers")?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_BUILDAH",
            path: buildah::fetch(&directory.join("buildah"), &debian)?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_DOCKER",
            path: docker::fetch(&directory.join("docker"), &debian, &compose)?,
        },
        Tool {
            variable: "COUNTERSIGN_TEST_STAND_INS",
            path: stand_ins::fetch(&directory.join("stand-ins"), &minimal_debian)?,
        },
        Tool { variable: "COUNTERSIGN_TEST_APACHE", path: apache.program },
        Tool { variable: "COUNTERSIGN_TEST_APACHE_MODULES", path: apache.modules },
        Tool { variable: "COUNTERSIGN_TEST_NODE", path: node.program },
        Tool { variable: "COUNTERSIGN_TEST_NODE_MODULES", path: node.modules },
        Tool {
            variable: "COUNTERSIGN_TEST_GO_JOSE",
            path: go::program(&directory.join("go"), &debian, "jwks_reader")?,
        },
        faketime(workspace)?,
        Tool { variable: "COUNTERSIGN_TEST_DEBIAN", path: minimal_debian },
        Tool { variable: "COUNTERSIGN_TEST_OPERATED_DEBIAN", path: operated_debian },
        Tool {
            variable: "COUNTERSIGN_TEST_SYSTEMD_ANALYZE",
            path: debian::program(&debian, "systemd", "systemd-analyze")?,
        },
        packager(workspace)?,
    ]);
    Ok(tools)
}

/// The cluster of PostgreSQL that running ones are copies of.
pub(crate) fn postgres(workspace: &Workspace) -> Result<Template> {
    let directory = directory(workspace)?;
    postgres::template(&directory.join("postgres"), &directory.join("debian"))
}

/// nginx.
pub(crate) fn nginx(workspace: &Workspace) -> Result<Tool> {
    let debian = directory(workspace)?.join("debian");
    let path = debian::program(&debian, "nginx", "nginx")?;
    Ok(Tool { variable: "COUNTERSIGN_TEST_NGINX", path })
}

/// Redis.
pub(crate) fn redis(workspace: &Workspace) -> Result<Tool> {
    let debian = directory(workspace)?.join("debian");
    let path = debian::program(&debian, "redis-server", "redis-server")?;
    Ok(Tool { variable: "COUNTERSIGN_TEST_REDIS", path })
}

/// What shows a program another clock.
pub(crate) fn faketime(workspace: &Workspace) -> Result<Tool> {
    let path = faketime::fetch(&directory(workspace)?.join("debian"))?;
    Ok(Tool { variable: "COUNTERSIGN_TEST_FAKETIME", path })
}

/// This program itself: it makes our packages, with the tool that is made ready here.
fn packager(workspace: &Workspace) -> Result<Tool> {
    cargo_deb(workspace)?;
    let path = env::current_exe().context("cannot find this program")?;
    Ok(Tool { variable: "COUNTERSIGN_TEST_XTASK", path })
}

/// What makes Debian packages.
pub(crate) fn cargo_deb(workspace: &Workspace) -> Result<PathBuf> {
    cargo_deb::program(&directory(workspace)?.join("cargo-deb"))
}

fn directory(workspace: &Workspace) -> Result<PathBuf> {
    Ok(workspace.target_directory()?.join("tools"))
}

/// Makes a directory's content once: `fill` works on a fresh directory, and only
/// after it succeeded is the directory taken for complete, and for as long as
/// `key` stays the same.
fn once(directory: &Path, key: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let stamp = directory.join("complete");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == key) {
        return Ok(());
    }
    if directory.exists() {
        fs::remove_dir_all(directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    fill(directory)?;
    fs::write(&stamp, key).with_context(|| format!("cannot write {}", stamp.display()))
}

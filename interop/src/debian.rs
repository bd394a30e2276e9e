//! Our Debian package, and systems to install it into.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::environment::tool;
use crate::http::Request;
use crate::process::{Process, capture, eventually};

/// The package's settings, its unit, and what the server leaves when it is ready.
const SETTINGS: &str = "/etc/countersign/countersign.toml";
const UNIT: &str = "/usr/lib/systemd/system/countersign.service";
const SERVER_FILE: &str = "/var/lib/countersign/server.json";

/// A package, as users make it, but of the binary that other tests run.
#[derive(Debug)]
pub struct DebianPackage {
    _directory: TempDir,
    file: PathBuf,
}

/// A Debian system without systemd, in a directory that goes with this value. What runs in it
/// sees no other file, but the network is everybody's.
#[derive(Debug)]
pub struct DebianRoot {
    directory: TempDir,
}

/// The server in such a system.
#[derive(Debug)]
pub struct InstalledServer {
    process: Process,
    url: String,
}

impl DebianPackage {
    /// Makes the package with a version of its own.
    ///
    /// # Errors
    /// If something that belongs into it is missing.
    pub fn make(version: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        let mut make = Command::new(tool("COUNTERSIGN_TEST_XTASK")?);
        make.args(["package", "--fast", "--version", version, "--binary"]);
        make.arg(tool("COUNTERSIGN_TEST_BIN")?).arg("--output").arg(directory.path());
        let said = capture(&mut make)?;
        let file = said.lines().last().context("the packager said nothing")?.into();
        Ok(Self { _directory: directory, file })
    }

    /// The same package, but that its settings file ends with this.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn with_settings(&self, more: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        let (content, file) = (directory.path().join("content"), directory.path().join("deb"));
        let dpkg_deb = || Command::new("dpkg-deb");
        capture(dpkg_deb().arg("--raw-extract").arg(&self.file).arg(&content))?;
        let settings = content.join(SETTINGS.trim_start_matches('/'));
        write!(OpenOptions::new().append(true).open(settings)?, "{more}")?;
        capture(dpkg_deb().arg("-Znone").arg("--build").arg(&content).arg(&file))?;
        Ok(Self { _directory: directory, file })
    }

    /// Puts it where somebody installs it from.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        fs::copy(&self.file, path)
            .map(drop)
            .with_context(|| format!("cannot copy to {}", path.display()))
    }
}

impl DebianRoot {
    /// Unpacks a fresh system.
    ///
    /// # Errors
    /// If this is not root.
    pub fn unpack() -> Result<Self> {
        Self::unpack_from(&tool("COUNTERSIGN_TEST_DEBIAN")?)
    }

    /// Unpacks one that also has nginx, `HAProxy`, Apache and curl.
    ///
    /// # Errors
    /// If this is not root.
    pub(crate) fn with_gateways() -> Result<Self> {
        Self::unpack_from(&tool("COUNTERSIGN_TEST_OPERATED_DEBIAN")?)
    }

    fn unpack_from(archive: &Path) -> Result<Self> {
        // Beside the archive: the place for temporary files may allow no devices.
        let beside = archive.parent().context("the archive is in no directory")?;
        let directory = TempDir::new_in(beside)?;
        let mut unpack = Command::new("tar");
        unpack.args(["--extract", "--numeric-owner", "--preserve-permissions", "--file"]);
        capture(unpack.arg(archive).arg("--directory").arg(directory.path()))?;
        Ok(Self { directory })
    }

    /// Where one of its files is.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.directory.path().join(inside.trim_start_matches('/'))
    }

    /// Installs a package, or upgrades to it and keeps the settings that were changed, as our
    /// documentation has it for when nobody is there to answer questions.
    ///
    /// # Errors
    /// If dpkg does.
    pub fn install(&self, package: &DebianPackage) -> Result<String> {
        let inside = "/package.deb";
        package.copy_to(&self.path(inside))?;
        // Nothing of it has to outlast a loss of power.
        self.run(&["dpkg", "--force-unsafe-io", "--force-confold", "--install", inside])
    }

    /// Puts a program there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn program(&self, inside: &str, script: &str) -> Result<()> {
        let path = self.path(inside);
        fs::write(&path, script)?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
    }

    /// Runs a program as root; what it printed.
    ///
    /// # Errors
    /// If it fails.
    pub fn run(&self, command: &[&str]) -> Result<String> {
        capture(self.command().args(command))
    }

    /// Starts the server with the user and the command that stand in the package's unit, but on free
    /// ports.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn serve(&self) -> Result<InstalledServer> {
        let unit = fs::read_to_string(self.path(UNIT)).context("there is no unit")?;
        let [user, group, program] = ["User=", "Group=", "ExecStart="].map(|key| {
            let found = unit.lines().find_map(|line| line.strip_prefix(key));
            found.with_context(|| format!("the unit has no {key}"))
        });
        let mut serve = self.command();
        serve.args(["setpriv", "--reuid", user?, "--regid", group?, "--clear-groups"]);
        serve.arg("--no-new-privs").args(program?.split(' '));
        serve.args(["--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0"]);
        let mut process = Process::start(&mut serve, &self.path("serve.log"))?;
        let server_file = self.path(SERVER_FILE);
        let url = process
            .ready(async || {
                let server: Value = serde_json::from_slice(&fs::read(&server_file).ok()?).ok()?;
                // The internal listener has it at this path, whatever the settings.
                let internal = server["internal"].as_str()?;
                let answer = Request::get("/health/ready").send(internal).await.ok()?;
                (answer.status == 200).then_some(server["public"].as_str()?.to_owned())
            })
            .await?;
        Ok(InstalledServer { process, url })
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("chroot");
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8");
        command.env("DEBIAN_FRONTEND", "noninteractive").env("HOME", "/srv");
        command.arg(self.directory.path());
        command
    }

    /// The processes that run in it, with their names.
    pub(crate) fn processes(&self) -> Result<Vec<(Pid, String)>> {
        let root = fs::canonicalize(self.directory.path())?;
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let process = entry?.path();
            // It may be gone by now.
            let Ok(their_root) = fs::read_link(process.join("root")) else { continue };
            let Ok(name) = fs::read_to_string(process.join("comm")) else { continue };
            let number = process.file_name().and_then(|name| name.to_str()?.parse().ok());
            if let Some(pid) = number.and_then(Pid::from_raw).filter(|_| their_root == root) {
                found.push((pid, name.trim_end().to_owned()));
            }
        }
        Ok(found)
    }

    /// Ends every process of this name in it, at once.
    ///
    /// # Errors
    /// If there is none, or it does not go.
    pub async fn end(&self, name: &str) -> Result<()> {
        let named = || -> Result<Vec<Pid>> {
            let all = self.processes()?.into_iter();
            Ok(all.filter(|(_, found)| found == name).map(|(pid, _)| pid).collect())
        };
        ensure!(!named()?.is_empty(), "no {name} runs");
        for pid in named()? {
            let _ = kill_process(pid, Signal::KILL);
        }
        let gone = async || named().map(|left| left.is_empty().then_some(())).transpose();
        eventually(&format!("{name} to end"), gone).await?
    }
}

impl Drop for DebianRoot {
    fn drop(&mut self) {
        // What was started in the background would outlive the test.
        for (pid, _) in self.processes().unwrap_or_default() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl InstalledServer {
    /// Whether it says at this path of the public listener that it is ready.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn is_ready(&self, path: &str) -> Result<bool> {
        Ok(Request::get(path).send(&self.url).await?.status == 200)
    }

    /// Stops it as an init system does.
    ///
    /// # Errors
    /// If it does not end, or not well.
    pub async fn stop(mut self) -> Result<()> {
        self.process.terminate().await
    }
}

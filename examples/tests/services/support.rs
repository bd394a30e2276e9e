//! Running an example in a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use countersign_core::{KeyKind, PrivateKey};
use countersign_system::SystemRandom;
use interop::{Process, capture, repository};
use tempfile::TempDir;

/// Where an example's files are.
pub(crate) struct Place(TempDir);

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(TempDir::new()?))
    }

    /// One with a file that we ship for the example.
    pub(crate) fn with(shipped: &str) -> Result<Self> {
        let place = Self::new()?;
        let source = repository().join("examples").join(shipped);
        let name = source.file_name().unwrap_or_default();
        fs::copy(&source, place.0.path().join(name))?;
        Ok(place)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        Ok(fs::write(self.path(name), content)?)
    }

    /// Puts a new private key and its public half (`.pub`) there.
    pub(crate) fn key_pair(&self, name: &str) -> Result<()> {
        let key = PrivateKey::generate(KeyKind::Ed25519)?;
        self.write(name, key.to_pkcs8_pem(None, &SystemRandom)?.as_bytes())?;
        self.write(&format!("{name}.pub"), key.public_key().to_spki_pem())
    }

    /// A program that runs there.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(Path::new(program));
        command.current_dir(self.0.path());
        command
    }

    /// What a caller prints, which must succeed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        capture(self.command(program).args(arguments))
    }

    /// Starts a service and waits until it says where it listens.
    pub(crate) async fn serve(&self, command: &mut Command) -> Result<Service> {
        let log = self.path("service.log");
        let mut process = Process::start(command, &log)?;
        let url = process
            .ready(async || {
                let written = fs::read_to_string(&log).ok()?;
                // A line that is written as a whole.
                let (lines, _) = written.rsplit_once('\n')?;
                let line = lines.lines().find_map(|line| line.strip_prefix("listening on "))?;
                Some(line.to_owned())
            })
            .await?;
        Ok(Service { process, url })
    }
}

/// A running service; it ends when this value goes.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) url: String,
}

impl Service {
    /// Its address and port.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

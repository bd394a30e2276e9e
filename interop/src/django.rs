//! The original's server: a Django project with its middleware.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::environment::{repository, tool};
use crate::process::{Process, capture};

/// The project in `interop/django`, with a database of its own.
#[derive(Debug)]
pub struct Django {
    directory: TempDir,
    running: Option<(Process, String)>,
}

impl Django {
    /// Makes the database.
    ///
    /// # Errors
    /// If the Python environment was not made.
    pub fn new() -> Result<Self> {
        let django = Self { directory: TempDir::new()?, running: None };
        capture(django.manage("migrate")?.arg("--verbosity=0"))?;
        Ok(django)
    }

    /// The SQLite file with its tables.
    pub fn database(&self) -> PathBuf {
        self.directory.path().join("django.db")
    }

    /// Makes a user and registers public key files for it.
    ///
    /// # Errors
    /// If the project refuses a key.
    pub fn trust(&self, user: &str, keys: &[&Path]) -> Result<()> {
        capture(self.manage("trust")?.arg(user).args(keys))?;
        Ok(())
    }

    /// Makes a key pair with the original's own command: private and public PEM.
    ///
    /// # Errors
    /// If the type is not one that the original knows.
    pub fn generate_key_pair(&self, key_type: &str) -> Result<(String, String)> {
        let printed = capture(self.manage("generate_key_pair")?.args(["--keytype", key_type]))?;
        let (private, public) = printed
            .split_once("-----BEGIN PUBLIC KEY")
            .with_context(|| format!("generate_key_pair printed {printed:?}"))?;
        Ok((private.to_owned(), format!("-----BEGIN PUBLIC KEY{public}")))
    }

    /// Serves the project and returns its base URL.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn serve(&mut self) -> Result<String> {
        let log = self.directory.path().join("serve.log");
        let mut process = Process::start(&mut self.manage("serve")?, &log)?;
        let url = process
            .ready(async || {
                let written = std::fs::read_to_string(&log).ok()?;
                let line = written.lines().find_map(|line| line.strip_prefix("listening on "))?;
                Some(line.to_owned())
            })
            .await?;
        self.running = Some((process, url.clone()));
        Ok(url)
    }

    fn manage(&self, command: &str) -> Result<Command> {
        let mut python = Command::new(tool("COUNTERSIGN_TEST_PYTHON")?);
        python
            .arg(repository().join("interop/django/manage.py"))
            .arg(command)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("INTEROP_DJANGO_DATABASE", self.database());
        Ok(python)
    }
}

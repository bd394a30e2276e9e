//! The original's server: a Django project with its middleware.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::environment::{repository, tool};
use crate::process::{Process, capture};

/// The project in `interop/django`, with a database of its own.
#[derive(Debug)]
pub struct Django {
    directory: PathBuf,
    project: PathBuf,
    _temporary: Option<TempDir>,
    running: Option<(Process, String)>,
}

impl Django {
    /// Makes the database.
    ///
    /// # Errors
    /// If the Python environment was not made.
    pub fn new() -> Result<Self> {
        let temporary = TempDir::new()?;
        let (directory, project) = (temporary.path().to_owned(), project());
        Self { directory, project, _temporary: Some(temporary), running: None }.migrated()
    }

    /// The same in a directory that stays, with a copy of the project that may be changed.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn at(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        capture(Command::new("cp").arg("--recursive").arg(project().join(".")).arg(directory))?;
        let project = directory.to_owned();
        Self { directory: project.clone(), project, _temporary: None, running: None }.migrated()
    }

    fn migrated(self) -> Result<Self> {
        capture(self.manage("migrate")?.arg("--verbosity=0"))?;
        Ok(self)
    }

    /// The SQLite file with its tables.
    pub fn database(&self) -> PathBuf {
        self.directory.join("db.sqlite3")
    }

    /// Makes a user and registers public key files for it.
    ///
    /// # Errors
    /// If the project refuses a key.
    pub fn trust(&self, user: &str, keys: &[&Path]) -> Result<()> {
        capture(self.manage("trust")?.arg(user).args(keys))?;
        Ok(())
    }

    /// Makes a user that has no key.
    ///
    /// # Errors
    /// If there is one.
    pub fn user(&self, name: &str) -> Result<()> {
        self.trust(name, &[])
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
        self.serve_on(0).await
    }

    /// The same on a port. If it is served already, that ends first.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub async fn serve_on(&mut self, port: u16) -> Result<String> {
        self.running = None;
        let log = self.directory.join("serve.log");
        let mut process = Process::start(self.manage("serve")?.arg(port.to_string()), &log)?;
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
            .arg(self.project.join("manage.py"))
            .arg(command)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("INTEROP_DJANGO_DATABASE", self.database());
        Ok(python)
    }
}

fn project() -> PathBuf {
    repository().join("interop/django")
}

//! The original of the key-to-token service: `jwthenticator` 1.6.3, unmodified.

mod client;
mod service;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::environment::{repository, tool};
use crate::process::Process;

pub use client::{Outcome, Session, Step};
pub use service::ProtectedService;

/// Its server on a free port, with a directory of its own.
///
/// What it does that one would not expect:
/// - It makes tables when it is *imported*, through one driver (`pg8000`), and
///   works through another (`asyncpg`), each with its own URL; the second
///   ignores `DB_URI`.
/// - Without `RSA_PUBLIC_KEY_PATH` it draws keys anew at each start, and then no
///   token of before holds. Here they are files beside the database.
/// - `created` is the time at which the process started, in every row.
/// - On SQLite it makes one refresh token after the other; it opens a database
///   connection for each question and closes it again.
#[derive(Debug)]
pub struct Jwthenticator {
    directory: PathBuf,
    port: u16,
    _temporary: Option<TempDir>,
    settings: Vec<(String, String)>,
    process: Process,
    url: String,
}

impl Jwthenticator {
    /// Starts it on a SQLite file of its own, with further settings: environment
    /// variables as in its `consts.py`.
    ///
    /// # Errors
    /// If the Python environment was not made, or the server does not start.
    pub async fn on_sqlite(settings: &[(&str, &str)]) -> Result<Self> {
        let temporary = TempDir::new()?;
        let server = Self::at(temporary.path(), 0, settings).await?;
        Ok(Self { _temporary: Some(temporary), ..server })
    }

    /// The same in a directory that stays, and on a port.
    ///
    /// # Errors
    /// As [`on_sqlite`](Self::on_sqlite).
    pub async fn at(directory: &Path, port: u16, settings: &[(&str, &str)]) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let file = sqlite_file(directory);
        let drivers = ["sqlite", "sqlite+aiosqlite"];
        let urls = drivers.map(|driver| format!("{driver}:///{}", file.display()));
        Self::start(directory, port, urls, settings).await
    }

    /// Starts it on a `postgres://` database, which may be empty.
    ///
    /// # Errors
    /// As [`on_sqlite`](Self::on_sqlite).
    pub async fn on_postgres(database: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let (_, rest) = database.split_once("://").context("no URL of a database")?;
        let drivers = ["postgresql+pg8000", "postgresql+asyncpg"];
        let urls = drivers.map(|driver| format!("{driver}://{rest}"));
        let temporary = TempDir::new()?;
        let server = Self::start(temporary.path(), 0, urls, settings).await?;
        Ok(Self { _temporary: Some(temporary), ..server })
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database of [`on_sqlite`](Self::on_sqlite).
    pub fn sqlite_file(&self) -> PathBuf {
        sqlite_file(&self.directory)
    }

    /// The private key that it signs with, as PEM; anybody may read the file.
    pub fn private_key(&self) -> PathBuf {
        private_key(&self.directory)
    }

    /// Kills it and starts it again on the same data, on another port.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        (self.process, self.url) = serve(&self.directory, self.port, &self.settings).await?;
        Ok(())
    }

    async fn start(
        path: &Path,
        port: u16,
        [database, while_running]: [String; 2],
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let mut all = vec![
            ("DB_URI".to_owned(), database),
            ("ASYNC_URI".to_owned(), while_running),
            ("RSA_PUBLIC_KEY_PATH".to_owned(), path.join("public.pem").display().to_string()),
            ("RSA_PRIVATE_KEY_PATH".to_owned(), private_key(path).display().to_string()),
        ];
        all.extend(settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let (process, url) = serve(path, port, &all).await?;
        Ok(Self { directory: path.to_owned(), port, _temporary: None, settings: all, process, url })
    }
}

async fn serve(
    directory: &Path,
    port: u16,
    settings: &[(String, String)],
) -> Result<(Process, String)> {
    let mut server = script("jwthenticator_server.py")?;
    server.arg(port.to_string());
    server.envs(settings.iter().map(|(name, value)| (name, value)));
    listening(&mut server, &directory.join("serve.log")).await
}

fn sqlite_file(directory: &Path) -> PathBuf {
    directory.join("jwthenticator.db")
}

fn private_key(directory: &Path) -> PathBuf {
    directory.join("private.pem")
}

/// A command that runs a script of `interop/python` beside the package.
fn script(name: &str) -> Result<Command> {
    let mut command = Command::new(tool("COUNTERSIGN_TEST_JWTHENTICATOR")?);
    command.arg(repository().join("interop/python").join(name));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// Starts a script that says where it listens; its base URL.
async fn listening(command: &mut Command, log: &Path) -> Result<(Process, String)> {
    let mut process = Process::start(command, log)?;
    let url = process
        .ready(async || {
            let written = fs::read_to_string(log).ok()?;
            // A line that is not written to its end has no end.
            let (written, _) = written.rsplit_once('\n')?;
            let line = written.lines().find_map(|line| line.strip_prefix("listening on "))?;
            Some(line.to_owned())
        })
        .await?;
    Ok((process, url))
}

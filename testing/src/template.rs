//! A cluster that was initialised once and is copied for every one that runs:
//! copying takes a fraction of the time.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::{certificate, environment, random, user};

/// The superuser of every cluster.
pub(crate) const SUPERUSER: &str = "postgres";

/// An initialised data directory with its password and certificate, and the
/// server program that made it.
#[derive(Clone, Debug)]
pub struct Template {
    program: PathBuf,
    directory: PathBuf,
}

impl Template {
    /// Which way of making a template this is: to be raised with each change of
    /// [`make`](Self::make), so that a template of another way is not used.
    pub const RECIPE: u32 = 1;

    /// Initialises a cluster in an existing, empty directory.
    ///
    /// # Errors
    /// If PostgreSQL or OpenSSL fail; the error holds what they said.
    pub fn make(directory: &Path, program: &Path, openssl: &Path) -> Result<Self> {
        let template = Self { program: program.to_owned(), directory: directory.to_owned() };
        let (data, password) = (template.data(), template.password_file());
        new_directory(&data)?;
        fs::write(&password, random::name()?)
            .with_context(|| format!("cannot write {}", password.display()))?;
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600))?;
        user::give(&data)?;
        user::give(&password)?;
        checked(
            user::command(&program.with_file_name("initdb"))
                .arg("--pgdata")
                .arg(&data)
                .arg("--pwfile")
                .arg(&password)
                .args(["--username", SUPERUSER, "--auth=scram-sha-256"])
                .args(["--encoding=UTF8", "--no-locale", "--no-sync"]),
        )?;
        certificate::make(openssl, directory, &data)?;
        user::give(&data)?;
        Ok(template)
    }

    /// A template that was made before.
    pub fn at(directory: &Path, program: &Path) -> Self {
        Self { program: program.to_owned(), directory: directory.to_owned() }
    }

    /// The template that `cargo xtask` tells of.
    ///
    /// # Errors
    /// If it does not.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            program: environment::path(environment::PROGRAM)?,
            directory: environment::path(environment::TEMPLATE)?,
        })
    }

    /// What a test needs to know to start a copy: names of environment variables
    /// and their values.
    pub fn variables(&self) -> [(&'static str, PathBuf); 3] {
        [
            (environment::PROGRAM, self.program.clone()),
            (environment::TEMPLATE, self.directory.clone()),
            (environment::CA, self.ca()),
        ]
    }

    /// The file with the authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// The server program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The superuser's password, in every copy.
    pub(crate) fn password(&self) -> Result<String> {
        let file = self.password_file();
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// The directory in which running copies are.
    pub(crate) fn clusters(&self) -> PathBuf {
        self.directory.with_file_name("clusters")
    }

    /// Copies the data to a directory that is not there yet.
    pub(crate) fn copy_data(&self, to: &Path) -> Result<()> {
        copy(&self.data(), to)
            .with_context(|| format!("cannot copy a cluster to {}", to.display()))?;
        user::give(to)
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn password_file(&self) -> PathBuf {
        self.directory.join("password")
    }
}

/// Copies a data directory to one that is not there yet.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    new_directory(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// A directory that PostgreSQL takes: closed to everybody else.
fn new_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

/// Runs a program quietly; the error holds what it said.
pub(crate) fn checked(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}\n{}", program.display(), output.status, said.trim_end());
    }
    Ok(())
}

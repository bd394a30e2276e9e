//! Our image, run: with a read-only file system, as the user that it names, without a right.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::environment::repository;
use crate::http::Request;
use crate::image::Image;
use crate::process::{Process, capture, child, eventually};

/// A volume, and the containers that have it; gone with this value.
#[derive(Debug)]
pub struct Volume<'a> {
    image: &'a Image,
    directory: TempDir,
}

/// A running server; it ends when this value goes.
#[derive(Debug)]
pub struct Container {
    process: Process,
    url: String,
}

impl<'a> Volume<'a> {
    /// A new volume: a copy of what the image has in its place, owner and mode too.
    ///
    /// # Errors
    /// If the image has nothing there.
    pub fn new(image: &'a Image) -> Result<Self> {
        let volume = Self { image, directory: TempDir::new()? };
        let data = image.root().join("var/lib/countersign");
        capture(Command::new("cp").arg("--archive").arg(data).arg(volume.path()))?;
        Ok(volume)
    }

    /// Starts the server, with these arguments or with those that the image has by itself.
    /// There is no network of its own, so it listens on free ports of loopback.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn serve(&self, arguments: Option<&[&str]>) -> Result<Container> {
        let ports = ["COUNTERSIGN_LISTEN", "COUNTERSIGN_INTERNAL_LISTEN"]
            .map(|variable| format!("{variable}=127.0.0.1:0"));
        let by_itself: Vec<&str> = self.image.config().cmd.iter().map(String::as_str).collect();
        let mut command = self.command(&ports, arguments.unwrap_or(&by_itself))?;
        let mut process = Process::start(&mut command, &self.directory.path().join("log"))?;
        let url = process.ready(async || ready(&self.path()).await).await?;
        Ok(Container { process, url })
    }

    /// Runs a command of the image's program on the volume, as `docker exec` does beside a
    /// server.
    ///
    /// # Errors
    /// If it fails.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        capture(&mut self.command(&[], arguments)?)
    }

    /// Asks what the image says is to be asked about its health.
    ///
    /// # Errors
    /// If the container is not well.
    pub fn health(&self) -> Result<String> {
        let config = self.image.config();
        let mut words = config.healthcheck.test.iter().map(String::as_str);
        ensure!(words.next() == Some("CMD"), "a shell is started: {:?}", config.healthcheck);
        ensure!(words.next() == config.entrypoint.first().map(String::as_str), "another program");
        self.run(&words.collect::<Vec<_>>())
    }

    /// Puts a file where containers see it as the path that is returned.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Result<String> {
        fs::write(self.path().join(name), content)?;
        Ok(format!("/var/lib/countersign/{name}"))
    }

    /// The names in it that belong to somebody else than this user.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn strangers_files(&self, user: u32) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.path())? {
            let entry = entry?;
            if entry.metadata()?.uid() != user {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(found)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("volume")
    }

    /// The image's program with the image's variables, then these, and arguments.
    fn command(&self, variables: &[String], arguments: &[&str]) -> Result<Command> {
        let config = self.image.config();
        let script = repository().join("interop/image/run.sh");
        let mut command = Command::new("unshare");
        // Two process namespaces: the server is the first process of the inner one. That of
        // the outer one dies with us and takes the server along, which by itself would live
        // on: whoever becomes another user is no longer told of a parent's death.
        command.args(["--mount", "--pid", "--fork", "--kill-child=KILL"]);
        command.args(["unshare", "--pid", "--fork"]);
        command.arg(script.canonicalize()?).arg(self.image.root()).arg(self.path());
        command.arg(&config.user).args(&config.env).args(variables);
        command.args(&config.entrypoint).args(arguments);
        Ok(command)
    }
}

impl Container {
    /// The base URL of the public listener.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends the signal with which containers are stopped to its first process, and waits
    /// for its end; everything it said.
    ///
    /// # Errors
    /// If it does not end, or not well.
    pub async fn stop(mut self) -> Result<String> {
        let first = child(child(self.process.id())?)?;
        let first = i32::try_from(first).ok().and_then(Pid::from_raw);
        kill_process(first.context("the container has no process")?, Signal::TERM)?;
        let process = &mut self.process;
        let status = eventually("the end", async || process.ended().ok().flatten()).await?;
        ensure!(status.success(), "{status}: {}", self.process.output());
        Ok(self.process.output())
    }
}

/// The public URL of the server on a volume, once it is ready.
async fn ready(volume: &Path) -> Option<String> {
    let server: Value = serde_json::from_slice(&fs::read(volume.join("server.json")).ok()?).ok()?;
    let url = server["public"].as_str()?.to_owned();
    let answer = Request::get("/health/ready").send(&url).await.ok()?;
    (answer.status == 200).then_some(url)
}

//! Our image, run: with a read-only file system, as the user that it names, without a right.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::environment::repository;
use crate::http::Request;
use crate::image::Image;
use crate::process::{Process, capture, eventually};

/// A running container; it ends when this value goes.
#[derive(Debug)]
pub struct Container<'a> {
    image: &'a Image,
    directory: TempDir,
    process: Process,
    url: String,
}

impl<'a> Container<'a> {
    /// Starts what the image starts by itself, on a new volume. There is no network of its
    /// own, so it listens on free ports of loopback.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn start(image: &'a Image) -> Result<Self> {
        let directory = TempDir::new()?;
        let volume = directory.path().join("volume");
        let data = image.root().join("var/lib/countersign");
        // A new volume is a copy of what the image has in its place, owner and mode too.
        capture(Command::new("cp").arg("--archive").arg(data).arg(&volume))?;
        let ports = ["COUNTERSIGN_LISTEN", "COUNTERSIGN_INTERNAL_LISTEN"]
            .map(|variable| format!("{variable}=127.0.0.1:0"));
        let words: Vec<&str> = image.config().cmd.iter().map(String::as_str).collect();
        let mut command = command(image, &volume, &ports, &words)?;
        let mut process = Process::start(&mut command, &directory.path().join("log"))?;
        let url = process.ready(async || ready(&volume).await).await?;
        Ok(Self { image, directory, process, url })
    }

    /// The base URL of the public listener.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a command of the image's program in the container, as `docker exec` does.
    ///
    /// # Errors
    /// If it fails.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        capture(&mut command(self.image, &self.volume(), &[], arguments)?)
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

    /// Puts a file where the container sees it as the path that is returned.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn file(&self, name: &str, from: &Path) -> Result<String> {
        fs::copy(from, self.volume().join(name))?;
        Ok(format!("/var/lib/countersign/{name}"))
    }

    /// The names in its volume that belong to somebody else than its user.
    ///
    /// # Errors
    /// If the volume cannot be read.
    pub fn strangers_files(&self, user: u32) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.volume())? {
            let entry = entry?;
            if entry.metadata()?.uid() != user {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(found)
    }

    /// Sends the signal with which containers are stopped to its first process, and waits
    /// for its end; everything it said.
    ///
    /// # Errors
    /// If it does not end.
    pub async fn stop(&mut self) -> Result<String> {
        let outside = self.process.id();
        let children = fs::read_to_string(format!("/proc/{outside}/task/{outside}/children"))?;
        let first = children.trim().parse().ok().and_then(Pid::from_raw);
        kill_process(first.context("the container has no process")?, Signal::TERM)?;
        let process = &mut self.process;
        let status = eventually("the end", async || process.ended().ok().flatten()).await?;
        if !status.success() {
            bail!("{status}: {}", self.process.output());
        }
        Ok(self.process.output())
    }

    fn volume(&self) -> PathBuf {
        self.directory.path().join("volume")
    }
}

/// The public URL of the server on a volume, once it is ready.
async fn ready(volume: &Path) -> Option<String> {
    let server: Value = serde_json::from_slice(&fs::read(volume.join("server.json")).ok()?).ok()?;
    let url = server["public"].as_str()?.to_owned();
    let answer = Request::get("/health/ready").send(&url).await.ok()?;
    (answer.status == 200).then_some(url)
}

/// The image's program with the image's variables, then these, and arguments.
fn command(
    image: &Image,
    volume: &Path,
    variables: &[String],
    arguments: &[&str],
) -> Result<Command> {
    let config = image.config();
    let script = repository().join("interop/image/run.sh");
    let mut command = Command::new("unshare");
    // Whatever ends the first process ends the container.
    command.args(["--mount", "--pid", "--fork", "--kill-child=KILL"]);
    command.arg(script.canonicalize()?).arg(image.root()).arg(volume).arg(&config.user);
    command.args(&config.env).args(variables).args(&config.entrypoint).args(arguments);
    Ok(command)
}

//! Docker, with nothing but what a test puts there: its engine has a network, a view of the
//! file system and a process tree of its own.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::environment::{repository, tool};
use crate::process::{Process, capture, child};

/// How often it is looked whether the engine has ended, and how many times.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
const LOOKS: u32 = 600;

/// A running engine. When this value goes, so do the engine, its containers and its images.
#[derive(Debug)]
pub struct Docker {
    engine: u32,
    process: Process,
    directory: TempDir,
}

impl Docker {
    /// Starts an engine that keeps everything below a directory.
    ///
    /// # Errors
    /// If this is not root, or a tool is missing.
    pub async fn start(below: &Path) -> Result<Self> {
        let directory = TempDir::new_in(below)?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--net", "--pid", "--fork", "--kill-child=KILL"]);
        command.arg(tool("COUNTERSIGN_TEST_DOCKER")?).arg("sh");
        command.arg(repository().join("interop/stand-ins/engine.sh")).arg(directory.path());
        let mut process = Process::start(&mut command, &directory.path().join("log"))?;
        let unshare = process.id();
        let engine = process
            .ready(async || {
                let engine = child(unshare).ok()?;
                capture(enter(engine).ok()?.args(["docker", "version"])).ok().map(|_| engine)
            })
            .await?;
        Ok(Self { engine, process, directory })
    }

    /// Makes the minimal Debian an image with these names.
    ///
    /// # Errors
    /// If there is none.
    pub fn debian(&self, names: &[&str]) -> Result<()> {
        let archive = tool("COUNTERSIGN_TEST_DEBIAN")?;
        let context = archive.parent().context("an archive in a directory")?;
        let file = repository().join("interop/image/debian.Dockerfile").canonicalize()?;
        let tags = names.iter().flat_map(|name| ["--tag", *name]);
        let mut build = enter(self.engine)?;
        build.args(["docker", "build", "--file"]).arg(file).args(tags).arg(context);
        capture(&mut build).map(drop)
    }

    /// Builds what stands for an official image, with these files beside those of its own.
    ///
    /// # Errors
    /// If a line of its `Dockerfile` fails.
    pub fn stand_in(&self, image: &str, directory: &str, files: &[(&Path, &str)]) -> Result<()> {
        let context = TempDir::new_in(self.directory.path())?;
        let own = repository().join("interop/stand-ins").join(directory);
        copy(&own.join("."), context.path())?;
        for (file, name) in files {
            copy(file, &context.path().join(name))?;
        }
        let mut build = enter(self.engine)?;
        capture(build.args(["docker", "build", "--tag", image]).arg(context.path())).map(drop)
    }

    /// Runs commands of a shell as somebody does who sits before this engine's machine; what
    /// they print.
    ///
    /// # Errors
    /// If one of them fails.
    pub fn shell(&self, directory: &Path, commands: &str) -> Result<String> {
        let script = format!("set -eux\ncd '{}'\n{commands}", directory.display());
        capture(enter(self.engine)?.args(["sh", "-c", &script]))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // On this signal it ends its containers, and leaves nothing in the machine's cgroups.
        if let Some(engine) = i32::try_from(self.engine).ok().and_then(Pid::from_raw) {
            let _ = kill_process(engine, Signal::TERM);
        }
        for _ in 0..LOOKS {
            if !matches!(self.process.ended(), Ok(None)) {
                break;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}

/// A program that runs where the engine does.
fn enter(engine: u32) -> Result<Command> {
    let mut command = Command::new("nsenter");
    command.args(["--mount", "--net", "--pid", "--target", &engine.to_string()]);
    command.arg(tool("COUNTERSIGN_TEST_DOCKER")?);
    Ok(command)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    capture(Command::new("cp").arg("--recursive").arg(from).arg(to)).map(drop)
}

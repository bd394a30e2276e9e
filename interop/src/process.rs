//! Programs that run beside a test, and programs that run once.

use std::fs::{self, File};
use std::io::Seek as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a program may take to become ready, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// A running program; it is killed when this value goes.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that writes both its outputs to the file `log`.
    ///
    /// # Errors
    /// If there is no such program.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Asks until there is an answer.
    ///
    /// # Errors
    /// If the program ends before, or the time is up; the error holds what the
    /// program wrote.
    pub async fn ready<T>(&mut self, mut attempt: impl AsyncFnMut() -> Option<T>) -> Result<T> {
        let ready = async {
            loop {
                if let Some(answer) = attempt().await {
                    return Ok(answer);
                }
                if let Some(status) = self.child.try_wait()? {
                    bail!("the program ended: {status}");
                }
                tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, ready).await;
        outcome
            .unwrap_or_else(|_| bail!("not ready in {} seconds", PATIENCE.as_secs()))
            .with_context(|| format!("it wrote:\n{}", self.output()))
    }

    /// What the program has written so far.
    pub fn output(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends it the signal that tells programs to read their files again.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn hang_up(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::HUP)?)
    }

    /// Stops it in the middle of whatever it does, until it is told to go on.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn pause(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::STOP)?)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn go_on(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    /// Sends it the signal that tells programs to stop, and waits until it has.
    ///
    /// # Errors
    /// If it does not, or says that something went wrong.
    pub async fn terminate(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let ended = eventually("the program to stop", async || self.child.try_wait().transpose());
        let status = ended.await??;
        ensure!(status.success(), "the program ended: {status}; it wrote:\n{}", self.output());
        Ok(())
    }

    /// Ends the program at once, as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.kill();
    }
}

/// Asks until there is an answer.
///
/// # Errors
/// If the time is up; `what` says what was waited for.
pub async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let answer = async {
        loop {
            if let Some(answer) = attempt().await {
                return answer;
            }
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
    };
    tokio::time::timeout(PATIENCE, answer)
        .await
        .with_context(|| format!("waited {} seconds for {what}", PATIENCE.as_secs()))
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// If it cannot be started or fails; the error holds what it said.
pub fn capture(command: &mut Command) -> Result<String> {
    output(command.stdin(Stdio::null()))
}

/// Runs a program that reads JSON and prints JSON.
///
/// # Errors
/// As [`capture`], and if what it prints is something else.
pub fn converse<T: DeserializeOwned>(
    command: &mut Command,
    input: &(impl Serialize + ?Sized),
) -> Result<T> {
    let mut file = tempfile::tempfile()?;
    serde_json::to_writer(&file, input)?;
    file.rewind()?;
    let printed = output(command.stdin(file))?;
    serde_json::from_str(&printed).with_context(|| format!("it printed {printed:?}"))
}

/// The one child of a process.
pub(crate) fn child(of: u32) -> Result<u32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children"))?;
    children.trim().parse().with_context(|| format!("process {of} has these: {children:?}"))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        bail!(
            "{} {} failed: {}\n{}{}",
            command.get_program().display(),
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

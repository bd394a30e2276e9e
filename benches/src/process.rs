//! The measured process: the same binary, started again, on a core of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// The core that the measured server runs on, unless it is to have both.
pub const SERVER_CORE: &str = "0";
/// The core that the load comes from.
pub const LOAD_CORE: &str = "1";
/// Both, for what is prepared.
pub const BOTH_CORES: &str = "0,1";

/// A server process; killed when dropped.
pub struct Server {
    child: Child,
    /// The addresses it printed, one a line, in its order.
    pub addresses: Vec<String>,
}

impl Server {
    /// Starts this program again with `arguments` on these cores, as `taskset` names
    /// them, and waits until it has printed `addresses` lines.
    ///
    /// # Errors
    /// If it does not start or stops before that.
    pub fn start(arguments: &[String], cores: &str, addresses: usize) -> anyhow::Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", cores])
            .arg(std::env::current_exe()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .context("taskset, of the Debian package util-linux, is needed")?;
        let output = child.stdout.take().context("standard output is piped")?;
        let lines: Vec<String> =
            BufReader::new(output).lines().take(addresses).collect::<Result<_, _>>()?;
        anyhow::ensure!(lines.len() == addresses, "the measured server stopped early");
        Ok(Self { child, addresses: lines })
    }

    /// The CPU time that all its threads have used, in nanoseconds.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn cpu_nanos(&self) -> anyhow::Result<u64> {
        cpu_nanos(self.child.id())
    }
}

/// The CPU time that all threads of a process have used, in nanoseconds.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn cpu_nanos(process: u32) -> anyhow::Result<u64> {
    let mut total = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let path = task?.path().join("schedstat");
        // A thread that has just ended is gone with its number.
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let first = text.split_whitespace().next().context("schedstat has three numbers")?;
        total += first.parse::<u64>()?;
    }
    Ok(total)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Moves every thread of this process to these cores, as `taskset` names them.
///
/// # Errors
/// If `taskset` is missing or the machine has no such cores.
pub fn move_to_cores(cores: &str) -> anyhow::Result<()> {
    let status = Command::new("taskset")
        .args(["-a", "-p", "-c", cores, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .context("taskset, of the Debian package util-linux, is needed")?;
    anyhow::ensure!(status.success(), "taskset could not move the load to {cores}");
    Ok(())
}

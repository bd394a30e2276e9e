//! A network of a test's own, in which every port is free: what documentation says of addresses
//! holds there as it stands.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Moves this thread, and with it all that it starts and opens from now on, into a new network.
/// Its loopback interface has still to be set up.
///
/// # Errors
/// If this is not root.
pub(crate) fn enter_a_new_one() -> Result<()> {
    // It lives until it has been entered, or this process is gone.
    let mut holder = Command::new("unshare")
        .args(["--net", "sh", "-c", "echo; read -r _"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run unshare")?;
    let mut said = [0];
    let output = holder.stdout.as_mut().context("it has an output")?;
    output.read_exact(&mut said).context("cannot make a network; only root can")?;
    let network = File::open(format!("/proc/{}/ns/net", holder.id()))?;
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
    drop(holder.stdin.take());
    holder.wait()?;
    Ok(())
}

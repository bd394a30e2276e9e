//! The directory of one running cluster. A run that was killed cannot remove
//! its own: the next one does, and ends the server that may still be there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{io, thread};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::postgres::{ATTEMPTS, BETWEEN_ATTEMPTS};
use crate::random;

/// A directory that is removed when this value goes. A lock says that somebody
/// still has it; the operating system drops the lock with the process.
#[derive(Debug)]
pub(crate) struct Place {
    directory: PathBuf,
    _lock: File,
}

impl Place {
    /// Makes a new directory among others and removes those that nobody has.
    pub(crate) fn new(parent: &Path) -> Result<Self> {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        // Nobody sweeps between the making of a directory and its lock.
        let door = File::create(parent.join("lock"))?;
        door.lock().with_context(|| format!("cannot lock {}", parent.display()))?;
        for entry in fs::read_dir(parent)? {
            let path = entry?.path();
            if path.is_dir() && is_abandoned(&path)? {
                end_server(&path.join("data"));
                fs::remove_dir_all(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        let directory = parent.join(random::name()?);
        fs::create_dir(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let lock = File::create(lock_file(&directory))?;
        lock.lock().with_context(|| format!("cannot lock {}", directory.display()))?;
        Ok(Self { directory, _lock: lock })
    }

    /// Where the data is.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// What the server writes.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What stays is removed by the next run.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn lock_file(directory: &Path) -> PathBuf {
    directory.join("lock")
}

fn is_abandoned(directory: &Path) -> Result<bool> {
    match File::open(lock_file(directory)) {
        Ok(lock) => Ok(lock.try_lock().is_ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => {
            Err(error).with_context(|| format!("cannot open the lock of {}", directory.display()))
        }
    }
}

/// Ends the server of a data directory, if there is one, and waits for its end.
fn end_server(data: &Path) {
    let Some(pid) = server(data) else { return };
    // It may have ended by itself in between.
    let _ = kill_process(pid, Signal::QUIT);
    for _ in 0..ATTEMPTS {
        if server(data).is_none() {
            return;
        }
        thread::sleep(BETWEEN_ATTEMPTS);
    }
}

/// The process that runs on a data directory: its number is in a file there,
/// and PostgreSQL works in that directory. A stranger who got the number since
/// then does not.
fn server(data: &Path) -> Option<Pid> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let number = file.lines().next()?.trim();
    let works_in = fs::read_link(format!("/proc/{number}/cwd")).ok()?;
    (works_in == data.canonicalize().ok()?).then(|| Pid::from_raw(number.parse().ok()?))?
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_nobody_has_is_removed_and_what_somebody_has_stays() {
        let parent = TempDir::new().unwrap();
        let kept = Place::new(parent.path()).unwrap();
        let left = parent.path().join("left");
        fs::create_dir(&left).unwrap();
        fs::write(lock_file(&left), "").unwrap();

        let another = Place::new(parent.path()).unwrap();
        assert!(!left.exists());
        assert!(kept.directory.exists() && another.directory.exists());
        drop(another);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2, "the lock, and what is kept");
    }

    #[test]
    fn a_server_that_was_left_is_ended_and_a_stranger_is_not() {
        let parent = TempDir::new().unwrap();
        let leave = |name: &str, works_there: bool| {
            let data = parent.path().join(name).join("data");
            fs::create_dir_all(&data).unwrap();
            let directory = if works_there { &data } else { parent.path() };
            let server = Command::new("sleep").arg("60").current_dir(directory).spawn().unwrap();
            fs::write(data.join("postmaster.pid"), format!("{}\n", server.id())).unwrap();
            server
        };
        let (mut server, mut stranger) = (leave("server", true), leave("stranger", false));
        Place::new(parent.path()).unwrap();
        assert!(!server.wait().unwrap().success());
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}

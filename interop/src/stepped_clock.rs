//! A clock that one program alone sees and that can be stepped while it runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::environment::tool;

const FILE: &str = "clock";

/// The clock of one program.
#[derive(Debug)]
pub struct SteppedClock(TempDir);

impl SteppedClock {
    /// One that goes right.
    ///
    /// # Errors
    /// If its file cannot be written.
    pub fn new() -> Result<Self> {
        let clock = Self(TempDir::new()?);
        clock.step(0)?;
        Ok(clock)
    }

    /// Steps it to so many seconds before or behind the right time.
    ///
    /// # Errors
    /// If its file cannot be written.
    pub fn step(&self, seconds: i64) -> Result<()> {
        let next = self.0.path().join("next");
        fs::write(&next, format!("{seconds:+}"))?;
        // At once, or the program would see half a number.
        Ok(fs::rename(next, self.file())?)
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join(FILE)
    }

    /// Shows it to a program. The monotonic clock stays as it is: nobody steps that.
    pub(crate) fn show_to(&self, command: &mut Command) -> Result<()> {
        let library: &Path = &tool("COUNTERSIGN_TEST_FAKETIME")?;
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", self.file())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Ok(())
    }
}

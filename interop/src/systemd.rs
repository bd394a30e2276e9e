//! What systemd says of our unit, without running it.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::environment::{repository, tool};

/// The shipped unit, the program in it, and a unit that every service needs.
const UNIT: &str = "packaging/debian/countersign.service";
const PROGRAM: &str = "/usr/bin/countersign";
const NEEDED: &str = "sysinit.target";

/// Our unit, in a directory where systemd finds no others.
#[derive(Debug)]
pub struct Unit {
    directory: TempDir,
}

/// What `systemd-analyze` says.
#[derive(Debug)]
pub struct Verdict {
    /// Whether it is satisfied.
    pub good: bool,
    /// Everything that it printed.
    pub said: String,
}

impl Unit {
    /// The shipped unit, changed by `change`, with the binary that tests run.
    ///
    /// # Errors
    /// If the unit does not run our program.
    pub fn shipped(change: impl FnOnce(String) -> String) -> Result<Self> {
        let path = repository().join(UNIT);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(text.contains(PROGRAM), "the unit does not run {PROGRAM}");
        let text = text.replace(PROGRAM, &tool("COUNTERSIGN_TEST_BIN")?.to_string_lossy());
        let directory = TempDir::new()?;
        fs::write(directory.path().join("countersign.service"), change(text))?;
        fs::write(directory.path().join(NEEDED), "[Unit]\n")?;
        Ok(Self { directory })
    }

    /// Whether systemd understands all of it; it says nothing if so. The pages of the manual are
    /// on no machine without the package.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub fn verify(&self) -> Result<Verdict> {
        self.analyze(&["verify", "--man=no"])
    }

    /// Whether its exposure is at most this, in tenths.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub fn exposes_at_most(&self, tenths: u32) -> Result<Verdict> {
        let threshold = format!("--threshold={tenths}");
        self.analyze(&["security", "--offline=true", "--no-pager", &threshold])
    }

    fn analyze(&self, question: &[&str]) -> Result<Verdict> {
        let directory = self.directory.path();
        let mut command = Command::new(tool("COUNTERSIGN_TEST_SYSTEMD_ANALYZE")?);
        command.args(question).arg(directory.join("countersign.service"));
        command.env("SYSTEMD_UNIT_PATH", directory);
        let output = command.output().context("cannot run systemd-analyze")?;
        let said = [output.stdout, output.stderr].concat();
        Ok(Verdict {
            good: output.status.success(),
            said: String::from_utf8_lossy(&said).into_owned(),
        })
    }
}

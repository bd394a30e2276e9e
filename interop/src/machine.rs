//! The machine of an operator who follows a page of the documentation.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::debian::DebianRoot;
use crate::network;
use crate::page::Page;

/// Where what was typed leaves its output.
const OUTPUTS: &str = "/run/page";
/// In the place of systemd, which cannot run here.
const SYSTEMCTL: &str = include_str!("machine/systemctl.sh");

/// A Debian system with gateways and curl, in a network of its own; all that runs on it ends
/// with this value. In the place of systemd is a script, which does what the packages' units say.
#[derive(Debug)]
pub struct Machine {
    root: DebianRoot,
}

impl Machine {
    /// Makes it. The thread that does so is in its network from then on, and so is what it starts.
    ///
    /// # Errors
    /// If this is not root.
    pub fn boot() -> Result<Self> {
        let root = DebianRoot::with_gateways()?;
        network::enter_a_new_one()?;
        root.run(&["ip", "link", "set", "lo", "up"])?;
        root.program("/usr/bin/systemctl", SYSTEMCTL)?;
        // Maintainer scripts look for it.
        for directory in ["/run/systemd/system", OUTPUTS] {
            fs::create_dir_all(root.path(directory))?;
        }
        Ok(Self { root })
    }

    /// Its files and programs.
    pub fn root(&self) -> &DebianRoot {
        &self.root
    }

    /// Where one of its files is.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.path(inside)
    }

    /// Runs a program as root; what it printed.
    ///
    /// # Errors
    /// If it fails.
    pub fn run(&self, command: &[&str]) -> Result<String> {
        self.root.run(command)
    }

    /// Types everything of a page into one shell of root, as it stands.
    ///
    /// # Errors
    /// If a command fails, or prints something else than the page shows.
    pub fn follow(&self, page: &Page) -> Result<()> {
        self.follow_with("", page)
    }

    /// The same after some lines of the test's own, which say what the page leaves to its reader.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub fn follow_with(&self, own: &str, page: &Page) -> Result<()> {
        let all = page.typed()?;
        let mut script = format!("set -eu\ncd /root\n{own}\n");
        for (number, typed) in all.iter().enumerate() {
            let typed = &typed.script;
            script += &format!("{{\n{typed}}} >{OUTPUTS}/{number} 2>&1\n");
        }
        let output = |number| {
            let bytes = fs::read(self.path(&format!("{OUTPUTS}/{number}")));
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        };
        for number in 0..all.len() {
            let _ = fs::remove_file(self.path(&format!("{OUTPUTS}/{number}")));
        }
        let ended = self.run(&["sh", "-c", &script]);
        let begun = |number: &usize| self.path(&format!("{OUTPUTS}/{number}")).exists();
        if let Some(last) = (0..all.len()).take_while(begun).last() {
            let said = || format!("typed:\n{}printed:\n{}", all[last].script, output(last));
            ended.map_err(|_| anyhow::anyhow!("it failed")).with_context(said)?;
        } else {
            ended.context("nothing was typed")?;
        }
        for (number, typed) in all.iter().enumerate() {
            let printed = output(number);
            ensure!(typed.is_shown_by(&printed), "{typed:#?} printed:\n{printed}");
        }
        Ok(())
    }
}

//! The original Python package as a client.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::environment::{repository, tool};
use crate::process::capture;

/// A release of `asymmetric_jwt_auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// 1.3.0, the newest.
    V1_3,
    /// 1.0.1b6, the last beta of 1.0.
    V1_0,
}

/// What a script of ours that signs prints.
#[derive(Clone, Debug, Deserialize)]
pub struct Signed {
    /// The value of the `Authorization` header.
    pub authorization: String,
    /// The public key as the original writes it.
    #[serde(default)]
    pub public_key: String,
    /// The original's fingerprint of the key.
    #[serde(default)]
    pub fingerprint: String,
}

impl Original {
    /// Every release that is driven.
    pub const ALL: [Self; 2] = [Self::V1_3, Self::V1_0];

    /// Signs for an account, with the arguments of `interop/python/sign.py`.
    ///
    /// # Errors
    /// If the package refuses the key.
    pub fn sign(self, account: &str, key: &[impl AsRef<OsStr>]) -> Result<Signed> {
        self.run("sign.py", account, key)
    }

    /// Signs as releases 0.1 to 0.5 did, with an RSA key file.
    ///
    /// # Errors
    /// If the key cannot be read.
    pub fn sign_0x(self, account: &str, key: &Path) -> Result<Signed> {
        self.run("sign_0x.py", account, &[key])
    }

    /// A command that runs a script of `interop/python` beside this release.
    ///
    /// # Errors
    /// If the environment was not made.
    pub fn script(self, name: &str) -> Result<Command> {
        let mut command = Command::new(tool(match self {
            Self::V1_3 => "COUNTERSIGN_TEST_PYTHON",
            Self::V1_0 => "COUNTERSIGN_TEST_PYTHON_1_0",
        })?);
        command.arg(repository().join("interop/python").join(name));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(command)
    }

    fn run(self, script: &str, account: &str, arguments: &[impl AsRef<OsStr>]) -> Result<Signed> {
        let printed = capture(self.script(script)?.arg(account).args(arguments))?;
        serde_json::from_str(&printed).with_context(|| format!("{script} printed {printed:?}"))
    }
}

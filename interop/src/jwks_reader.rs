//! Libraries with which services judge tokens by a key set that they fetch.

use std::process::Command;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::environment::{repository, tool};
use crate::process::converse;

/// A library, driven by a script of ours in its language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwksReader {
    /// Python's `PyJWT`, with its `PyJWKClient`.
    PyJwt,
    /// Node's jose, with `createRemoteJWKSet`.
    Jose,
    /// Go's go-jose, which refuses a set for one key that it cannot read.
    GoJose,
}

/// A token, and what a service knows about those it accepts.
#[derive(Clone, Debug, Serialize)]
pub struct Presented {
    /// The URL of the key set.
    pub jwks: String,
    /// What the caller shows.
    pub token: String,
    /// The one algorithm that is accepted.
    pub algorithm: String,
    /// Who must have issued it.
    pub issuer: String,
    /// For whom it must be.
    pub audience: String,
}

/// What a library says to a token.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is good, and says this.
    Claims(Value),
    /// It is not good, or the key set is not.
    Error(String),
}

impl JwksReader {
    /// Every library that is driven.
    pub const ALL: [Self; 3] = [Self::PyJwt, Self::Jose, Self::GoJose];

    /// Shows tokens to the library; one verdict for each.
    ///
    /// # Errors
    /// If the library was not fetched, or the script fails.
    pub fn judge(self, presented: &[Presented]) -> Result<Vec<Verdict>> {
        let verdicts: Vec<Verdict> = converse(&mut self.command()?, presented)?;
        ensure!(verdicts.len() == presented.len(), "{self:?} judged {} tokens", verdicts.len());
        Ok(verdicts)
    }

    fn command(self) -> Result<Command> {
        let interop = repository().join("interop");
        match self {
            Self::PyJwt => {
                let mut command = Command::new(tool("COUNTERSIGN_TEST_PYJWT")?);
                command.arg(interop.join("python/jwks_reader.py"));
                Ok(command)
            }
            Self::Jose => {
                // The script finds the library through this one.
                tool("COUNTERSIGN_TEST_NODE_MODULES")?;
                let mut command = Command::new(tool("COUNTERSIGN_TEST_NODE")?);
                command.arg(interop.join("javascript/jwks_reader.mjs"));
                Ok(command)
            }
            // It is `go/jwks_reader.go`, compiled.
            Self::GoJose => Ok(Command::new(tool("COUNTERSIGN_TEST_GO_JOSE")?)),
        }
    }
}

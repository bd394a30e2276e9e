//! Libraries with which services make the tokens that others take.

use std::process::Command;

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::environment::{repository, tool};
use crate::process::converse;

/// A library, driven by a script of ours in its language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenMaker {
    /// Python's `PyJWT`.
    PyJwt,
    /// Node's jose.
    Jose,
}

/// A token to be made.
#[derive(Clone, Debug, Serialize)]
pub struct Minted {
    /// What it says.
    pub claims: Value,
    /// A secret, or a private key as PKCS#8 PEM.
    pub key: String,
    /// The algorithm.
    pub algorithm: String,
}

impl TokenMaker {
    /// Every library that is driven.
    pub const ALL: [Self; 2] = [Self::PyJwt, Self::Jose];

    /// Has tokens made, in the order that is asked for.
    ///
    /// # Errors
    /// If the library was not fetched, or does not make one.
    pub fn make(self, tokens: &[Minted]) -> Result<Vec<String>> {
        let made: Vec<String> = converse(&mut self.command()?, tokens)?;
        ensure!(made.len() == tokens.len(), "{self:?} made {} tokens", made.len());
        Ok(made)
    }

    fn command(self) -> Result<Command> {
        let interop = repository().join("interop");
        let (program, script) = match self {
            Self::PyJwt => ("COUNTERSIGN_TEST_PYJWT", "python/token_maker.py"),
            Self::Jose => {
                // The script finds the library through this one.
                tool("COUNTERSIGN_TEST_NODE_MODULES")?;
                ("COUNTERSIGN_TEST_NODE", "javascript/token_maker.mjs")
            }
        };
        let mut command = Command::new(tool(program)?);
        command.arg(interop.join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(command)
    }
}

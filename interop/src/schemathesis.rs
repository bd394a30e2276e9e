//! schemathesis, which fuzzes a server by its OpenAPI document, and the validator of
//! documents that comes with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::environment::{repository, tool};
use crate::process::capture;

/// Every run makes the same calls of the same server.
const SEED: &str = "20260801";
/// How many calls are made up for each operation and way of making them up.
const EXAMPLES: &str = "40";

/// A caller that a run signs as, and what it is asked.
#[derive(Clone, Debug)]
pub struct Schemathesis {
    /// The URL of the document.
    pub document: String,
    /// The account that signs each call.
    pub account: String,
    /// The file with its private key, in PEM.
    pub key: PathBuf,
    /// For whom tokens are bound to the call: the instance, if it is administrated.
    pub audience: Option<String>,
    /// What is presented where an access token is wanted.
    pub access_token: Option<String>,
    /// The checks that do not hold on purpose.
    pub without: Vec<&'static str>,
}

impl Schemathesis {
    /// Calls every operation of the document in right and wrong ways, and compares each
    /// answer with it.
    ///
    /// # Errors
    /// What was answered and should not have been.
    pub fn run(&self) -> Result<()> {
        let mut command = python("schemathesis.cli")?;
        command.args(["run", &self.document, "--seed", SEED, "--max-examples", EXAMPLES]);
        command.args(["--no-shrink", "--continue-on-failure", "--request-timeout", "10"]);
        command.args(["--exclude-checks", &self.without.join(",")]);
        command.env("SCHEMATHESIS_HOOKS", "openapi_hooks");
        command.env("PYTHONPATH", repository().join("interop/python"));
        command.env("ACCOUNT", &self.account).env("KEY_FILE", &self.key);
        command.envs(self.audience.iter().map(|audience| ("AUDIENCE", audience)));
        command.envs(self.access_token.iter().map(|token| ("ACCESS_TOKEN", token)));
        let report = capture(&mut command)
            .with_context(|| format!("{} is not what the server does", self.document))?;
        // Calls that nobody lets in would prove little.
        ensure!(!report.contains("Authentication failed"), "{report}");
        Ok(())
    }

    /// Judges a document by the specification.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate(document: &Path) -> Result<()> {
        let mut command = python("openapi_spec_validator")?;
        capture(command.args(["--schema", "3.1"]).arg(document)).map(drop)
    }
}

fn python(module: &str) -> Result<Command> {
    let mut command = Command::new(tool("COUNTERSIGN_TEST_SCHEMATHESIS")?);
    // The hooks are in `openapi_hooks.py`; what they are run with leaves nothing behind.
    command.args(["-m", module]).env("PYTHONDONTWRITEBYTECODE", "1");
    command.current_dir(std::env::temp_dir());
    Ok(command)
}

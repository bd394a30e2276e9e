//! `pyramid_jwtauth` on Pyramid, as a service and as a caller.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::environment::{repository, tool};
use crate::process::{Process, converse};
use crate::token_maker::Minted;

/// A service behind the original, with its settings (`jwtauth.master_secret` and so on).
#[derive(Clone, Debug)]
pub struct PyramidService {
    settings: Map<String, Value>,
}

/// A request to it.
#[derive(Clone, Debug)]
pub struct PyramidRequest {
    /// The service.
    pub service: PyramidService,
    /// `/` is for everyone who is authenticated, `/close` for the group `ops`.
    pub path: &'static str,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

/// What it answers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PyramidAnswer {
    /// The status; 500 where an exception leaves the application.
    pub status: u16,
    /// The challenge.
    pub challenge: Option<String>,
    /// Whom it takes the caller for.
    pub userid: Value,
    /// The effective principals, as Pyramid's ACL sees them.
    pub principals: Vec<Value>,
    /// The claims of the token.
    pub claims: Value,
    /// The exception.
    pub error: Option<String>,
}

#[derive(Serialize)]
struct Issued<'a> {
    settings: &'a Map<String, Value>,
    claims: &'a [Value],
}

#[derive(Serialize)]
struct Cases<'a> {
    now: i64,
    requests: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Case<'a> {
    settings: &'a Map<String, Value>,
    path: &'a str,
    authorization: Option<&'a str>,
}

impl PyramidService {
    /// A service with these settings, whose account `worker` is in the group `ops` and
    /// whose account `blocked` may not come in.
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let own = [("jwtauth.find_groups", "__main__:find_groups")];
        let settings = own.iter().chain(settings);
        let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).into()));
        Self { settings: settings.collect() }
    }

    /// Sends requests, at a second at which its clock stands still; one answer for each.
    ///
    /// # Errors
    /// If the environment was not made, or a service does not start.
    pub fn answers(now: i64, requests: &[PyramidRequest]) -> Result<Vec<PyramidAnswer>> {
        let cases = requests.iter().map(|request| Case {
            settings: &request.service.settings,
            path: request.path,
            authorization: request.authorization.as_deref(),
        });
        let cases = Cases { now, requests: cases.collect() };
        let answers: Vec<PyramidAnswer> = converse(&mut script("pyramid_service.py")?, &cases)?;
        ensure!(answers.len() == requests.len(), "{} answers", answers.len());
        Ok(answers)
    }

    /// The tokens that the service itself makes of these claims, one of each.
    ///
    /// # Errors
    /// If the environment was not made, or a token cannot be.
    pub fn issue(&self, claims: &[Value]) -> Result<Vec<String>> {
        let issued = Issued { settings: &self.settings, claims };
        let tokens: Vec<String> = converse(&mut script("pyramid_issuer.py")?, &issued)?;
        ensure!(tokens.len() == claims.len(), "{} tokens", tokens.len());
        Ok(tokens)
    }
}

/// Serves an application behind the original on a port, with the settings of a file.
///
/// # Errors
/// If the environment was not made, or the service does not start.
pub async fn serve_pyramid(settings: &Path, port: u16) -> Result<Process> {
    let mut server = script("pyramid_server.py")?;
    let log = settings.with_extension("log");
    let mut process = Process::start(server.arg(settings).arg(port.to_string()), &log)?;
    let says = async || fs::read_to_string(&log).ok().filter(|it| it.contains("listening on "));
    process.ready(says).await?;
    Ok(process)
}

/// The headers with which the original's callers send these claims.
///
/// # Errors
/// If the environment was not made, or a token cannot be.
pub fn pyramid_authorizations(claims: &[Minted]) -> Result<Vec<String>> {
    converse(&mut script("pyramid_caller.py")?, claims)
}

fn script(name: &str) -> Result<Command> {
    let mut command = Command::new(tool("COUNTERSIGN_TEST_PYRAMID_JWTAUTH")?);
    command.arg(repository().join("interop/python").join(name));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "ignore");
    Ok(command)
}

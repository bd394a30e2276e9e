//! A service whose authors put jwthenticator's decorator on a handler.

use anyhow::Result;
use tempfile::TempDir;

use super::{listening, script};
use crate::process::Process;

/// An aiohttp service with one resource, `/secure`, for GET and POST, behind
/// `@authenticate`. It answers `{"method": .., "body": ..}`.
///
/// Its refusals are `{}` with 403 without an `Authorization` header, **400** where
/// that is not `Bearer`, one blank and something, and 401 where the server's
/// `/validate` says anything but 200, 503 too. Where nobody listens there, it is
/// an exception that nobody catches: 500.
#[derive(Debug)]
pub struct ProtectedService {
    url: String,
    _process: Process,
    _directory: TempDir,
}

impl ProtectedService {
    /// Starts it; it asks the server at a base URL.
    ///
    /// # Errors
    /// If the Python environment was not made, or the service does not start.
    pub async fn start(server: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        let mut command = script("jwthenticator_service.py")?;
        let log = directory.path().join("service.log");
        let (process, url) = listening(command.arg(server), &log).await?;
        Ok(Self { url, _process: process, _directory: directory })
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of the resource.
    pub fn secure(&self) -> String {
        format!("{}/secure", self.url)
    }
}

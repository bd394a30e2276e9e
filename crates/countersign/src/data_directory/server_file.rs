//! `server.json`: how commands on the same machine find the running server.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::files;

/// Where a server listens, and which one it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServerFile {
    /// Its process.
    pub(crate) pid: u32,
    /// Its version.
    pub(crate) version: String,
    /// What administrative tokens name in `aud`.
    pub(crate) instance_id: String,
    /// The URL of the public listener.
    pub(crate) public: String,
    /// The URL of the internal listener.
    pub(crate) internal: String,
    /// The URL at which Envoy asks, if it may.
    pub(crate) envoy: Option<String>,
    /// The certificate it shows, if it speaks TLS: the file in which a command
    /// on this machine finds the one it must see.
    pub(crate) tls_cert: Option<PathBuf>,
}

impl ServerFile {
    /// What the file says, or `None` if there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file(path, "read", &error)),
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            Failure::usage(format_args!(
                "{} is not what a server writes there ({error}): restart the server",
                path.display()
            ))
        })
    }

    /// Puts the file in place.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let json = serde_json::to_string_pretty(self).map_err(Failure::refused)?;
        files::replace(path, 0o600, format!("{json}\n").as_bytes())
            .map_err(|error| Failure::file(path, "write", &error))
    }
}

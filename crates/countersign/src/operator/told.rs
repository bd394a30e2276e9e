//! What the internal listener tells anybody, without a signature.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::DATE;

use super::OperatorArgs;
use super::api::{cannot_reach, client, join};
use crate::data_directory::Paths;
use crate::failure::Failure;

const TIMEOUT: Duration = Duration::from_secs(10);
/// As much of an answer as is read: whoever answers may be somebody else.
const MAX_READ: usize = 1024 * 1024;

/// An answer.
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    /// When it was given, by the server's clock.
    pub(crate) date: Option<String>,
    pub(crate) text: String,
}

impl OperatorArgs {
    /// Asks for a path that nobody signs for.
    ///
    /// # Errors
    /// A [`Failure`] if nobody answers.
    pub(crate) async fn ask(&self, path: &str) -> Result<Told, Failure> {
        let target = self.target()?;
        let url = join(&target.url, path)?;
        let http = client(&target.trust, TIMEOUT)?;
        let mut response =
            http.get(url.clone()).send().await.map_err(|error| cannot_reach(&url, &error))?;
        let mut text = Vec::new();
        while text.len() < MAX_READ
            && let Some(chunk) =
                response.chunk().await.map_err(|error| cannot_reach(&url, &error))?
        {
            text.extend_from_slice(&chunk);
        }
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        Ok(Told {
            status: response.status(),
            date: date.map(str::to_owned),
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }

    /// The data directory, unless the server is said to be elsewhere.
    ///
    /// # Errors
    /// A [`Failure`] if there is no home to find it in.
    pub(crate) fn data_on_this_machine(&self) -> Result<Option<Paths>, Failure> {
        if self.server.is_some() { Ok(None) } else { self.paths().map(Some) }
    }
}

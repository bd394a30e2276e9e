//! A server's own word on whether it takes requests. Nobody has to sign for that.

use std::path::Path;
use std::time::Duration;

use countersign_server::health;
use url::Url;

use super::api::{cannot_reach, client, join};
use super::{Target, paths};
use crate::failure::Failure;

/// As much of an answer as is shown: whoever answers may be somebody else.
const MAX_SHOWN: usize = 200;

/// Asks the server at `url`, which one more certificate may vouch for; without a URL, the
/// one that runs on the data directory.
///
/// # Errors
/// A [`Failure`] that holds what was answered, or why nothing was.
pub(crate) async fn readiness(
    url: Option<&Url>,
    data_dir: Option<&Path>,
    ca_cert: Option<&Path>,
    timeout: Duration,
) -> Result<String, Failure> {
    let target = match url {
        Some(url) => Target::elsewhere(url, ca_cert),
        // Its internal listener: that one has no prefix.
        None => Target::on_this_machine(&paths(data_dir)?, "a URL")?,
    };
    let url = join(&target.url, health::READY)?;
    let http = client(&target.trust, timeout)?;
    let mut response =
        http.get(url.clone()).send().await.map_err(|error| cannot_reach(&url, &error))?;
    let mut said = Vec::new();
    while said.len() < MAX_SHOWN
        && let Some(chunk) = response.chunk().await.map_err(|error| cannot_reach(&url, &error))?
    {
        said.extend_from_slice(&chunk);
    }
    said.truncate(MAX_SHOWN);
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if response.status().is_success() {
        return Ok(said);
    }
    Err(Failure::unreachable(format_args!("{url} answered {}: {said}", response.status())))
}

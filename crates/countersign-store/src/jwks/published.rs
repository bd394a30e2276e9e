//! What one endpoint published last, and how its fetching goes.

use countersign_core::ports::EndpointStatus;
use countersign_core::{JwkSet, PublicJwk, UnixTime};
use tracing::{info, warn};

use super::fetch::FetchError;
use super::url::JwksUrl;

/// The keys of the last set that was fetched, and for the operator what became of
/// the fetches.
#[derive(Default)]
pub(super) struct Published {
    keys: Vec<PublicJwk>,
    status: EndpointStatus,
}

impl Published {
    /// Nothing so far; `error` if nothing ever will be.
    pub(super) fn not_yet(error: Option<String>) -> Self {
        let status = EndpointStatus { error, ..EndpointStatus::default() };
        Self { keys: Vec::new(), status }
    }

    pub(super) fn keys(&self) -> &[PublicJwk] {
        &self.keys
    }

    pub(super) fn status(&self) -> &EndpointStatus {
        &self.status
    }

    /// Takes note of how a fetch that began at `at` ended; whether it gave a set.
    pub(super) fn record(
        &mut self,
        url: &JwksUrl,
        at: UnixTime,
        fetched: Result<JwkSet, FetchError>,
    ) -> bool {
        self.status.attempted_at = Some(at);
        match fetched {
            Ok(set) => {
                self.replace(url, at, set);
                true
            }
            Err(error) => {
                self.keep(url, &error);
                false
            }
        }
    }

    fn replace(&mut self, url: &JwksUrl, at: UnixTime, set: JwkSet) {
        let names = |keys: &[PublicJwk]| -> Vec<String> {
            keys.iter().map(|jwk| jwk.key.fingerprints().openssh()).collect()
        };
        let (before, now) = (names(&self.keys), names(&set.keys));
        let added: Vec<_> = now.iter().filter(|key| !before.contains(key)).collect();
        let removed: Vec<_> = before.iter().filter(|key| !now.contains(key)).collect();
        if !added.is_empty() || !removed.is_empty() {
            info!(%url, ?added, ?removed, "the keys of a JWKS endpoint changed");
        }
        let skipped: Vec<String> = set.skipped.iter().map(ToString::to_string).collect();
        if !skipped.is_empty() && skipped != self.status.skipped {
            warn!(%url, ?skipped, "a JWKS endpoint has keys that cannot be used");
        }
        if self.status.error.is_some() {
            info!(%url, "a JWKS endpoint can be fetched again");
        }
        self.keys = set.keys;
        self.status.fetched_at = Some(at);
        self.status.keys = self.keys.len();
        self.status.skipped = skipped;
        self.status.error = None;
    }

    fn keep(&mut self, url: &JwksUrl, error: &FetchError) {
        warn!(%url, %error, keys = self.keys.len(), "a JWKS endpoint cannot be fetched");
        self.status.error = Some(error.to_string());
    }
}

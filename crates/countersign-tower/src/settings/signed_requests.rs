//! The section on callers that sign each request themselves.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::{DEFAULT_TOLERANCE, TokenAlgorithm};
use countersign_store::AccountFile;
use countersign_store::replay::{GuardSinceStart, ReplayLimits};
use countersign_system::{SystemClock, SystemRandom};
use serde::Deserialize;

use super::{SettingsError, read};
use crate::policy::PolicyError;
use crate::signed_requests::SignedRequests;

/// How often the account file is read again.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Callers that sign each request themselves: their public keys are in an
/// [`AccountFile`], which is read again every five seconds.
///
/// Which tokens were used is remembered in the process, and after a start tokens are taken
/// again once `tolerance` has passed ([`GuardSinceStart`]); all policies that are built from
/// one value, or its clones, share that memory. A service that several processes
/// serve, or that cannot wait, writes its policy in code.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRequestSettings {
    /// The file with the accounts.
    pub accounts_file: PathBuf,
    /// The scheme word, unless `JWT`.
    #[serde(default)]
    pub scheme: Option<String>,
    /// The spellings of the header that are taken, unless all: `bare`, `parameter`,
    /// `quoted`.
    #[serde(default, deserialize_with = "read::names")]
    pub spellings: Vec<String>,
    /// How far a token's time may lie from now, either way, with a unit: `"20s"`.
    #[serde(default = "tolerance", deserialize_with = "read::duration")]
    pub tolerance: Duration,
    /// The algorithms that are taken, unless all.
    #[serde(default, deserialize_with = "read::names")]
    pub algorithms: Vec<String>,
    /// The names that this service goes by (`aud`).
    #[serde(default, deserialize_with = "read::names")]
    pub audiences: Vec<String>,
    /// Whether a token must be for one of these names and nobody else
    /// ([`SignedRequests::require_audience`]).
    #[serde(default)]
    pub require_audience: bool,
    /// What all policies of this section share, so that a token works once for all of them.
    #[serde(skip)]
    shared: Arc<Mutex<Option<Shared>>>,
}

#[derive(Clone)]
struct Shared {
    accounts: Arc<AccountFile>,
    guard: Arc<GuardSinceStart>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared(..)")
    }
}

fn tolerance() -> Duration {
    DEFAULT_TOLERANCE
}

impl SignedRequestSettings {
    pub(super) fn requests(&self) -> Result<SignedRequests, SettingsError> {
        let Shared { accounts, guard } = self.shared()?;
        let mut requests = SignedRequests::of(accounts, guard).tolerance(self.tolerance);
        if let Some(scheme) = &self.scheme {
            requests = requests.scheme(scheme);
        }
        if !self.spellings.is_empty() {
            requests = requests.spellings(read::spellings(&self.spellings)?);
        }
        if !self.algorithms.is_empty() {
            let public = |algorithm| match algorithm {
                TokenAlgorithm::Signature(algorithm) => Ok(algorithm),
                TokenAlgorithm::Hmac(_) => Err(PolicyError::AlgorithmUnfit(algorithm)),
            };
            let algorithms = read::algorithms(&self.algorithms)?.into_iter().map(public);
            requests = requests.algorithms(algorithms.collect::<Result<Vec<_>, _>>()?);
        }
        if self.require_audience {
            requests = requests.require_audience();
        }
        Ok(self.audiences.iter().fold(requests, SignedRequests::audience))
    }

    fn shared(&self) -> Result<Shared, SettingsError> {
        // Nothing panics under the lock after it has changed anything.
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = &*shared {
            return Ok(shared.clone());
        }
        let accounts = Arc::new(AccountFile::open(&self.accounts_file)?);
        accounts.reload_every(RELOAD_INTERVAL);
        let (limits, clock) = (ReplayLimits::default(), Arc::new(SystemClock));
        let guard = Arc::new(GuardSinceStart::start(limits, clock, &SystemRandom));
        Ok(shared.insert(Shared { accounts, guard }).clone())
    }
}

//! Those who call meanwhile, and of whom nothing is revoked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::PATIENCE;
use super::administrator::{Administrator, client};
use super::victim::{Credential, Revocation, Victim};
use super::watch::status;

/// How many callers there are for each credential of [`ACCOUNTS`], at each replica.
const CALLERS: usize = 2;
/// What each of them does between two requests.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(5);

/// Callers at work.
pub(super) struct Load {
    counts: Arc<Counts>,
    callers: JoinSet<Result<()>>,
}

#[derive(Default)]
struct Counts {
    over: AtomicBool,
    accepted: AtomicUsize,
    refused: AtomicUsize,
    other: AtomicUsize,
}

/// What came of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// 200.
    pub accepted: usize,
    /// 401, which none of them deserves.
    pub refused: usize,
    /// Everything else, no answer included.
    pub other: usize,
}

impl Load {
    /// Starts callers with a signed request, an API key and an access token at each replica,
    /// as soon as it has heard of them.
    pub(super) async fn start(administrator: &Administrator, urls: &[String]) -> Result<Self> {
        // A number that no victim has.
        let caller = Victim::register(administrator, usize::MAX, Revocation::Account).await?;
        let http = client()?;
        for credential in caller.credentials() {
            for url in urls {
                let known = async {
                    while status(&http, url, credential).await? != StatusCode::OK {
                        sleep(BETWEEN_REQUESTS).await;
                    }
                    anyhow::Ok(())
                };
                timeout(PATIENCE, known).await.context("a replica does not accept the load")??;
            }
        }
        let (counts, mut callers) = (Arc::new(Counts::default()), JoinSet::new());
        for credential in caller.credentials() {
            for url in urls {
                for _ in 0..CALLERS {
                    let counts = Arc::clone(&counts);
                    callers.spawn(call(credential.clone(), url.clone(), counts));
                }
            }
        }
        Ok(Self { counts, callers })
    }

    pub(super) async fn end(self) -> Calls {
        let Self { counts, callers } = self;
        counts.over.store(true, Ordering::Relaxed);
        callers.join_all().await;
        Calls {
            accepted: counts.accepted.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
            other: counts.other.load(Ordering::Relaxed),
        }
    }
}

async fn call(credential: Credential, url: String, counts: Arc<Counts>) -> Result<()> {
    let http = client()?;
    while !counts.over.load(Ordering::Relaxed) {
        let count = match status(&http, &url, &credential).await {
            Ok(StatusCode::OK) => &counts.accepted,
            Ok(StatusCode::UNAUTHORIZED) => &counts.refused,
            Ok(_) | Err(_) => &counts.other,
        };
        count.fetch_add(1, Ordering::Relaxed);
        sleep(BETWEEN_REQUESTS).await;
    }
    Ok(())
}

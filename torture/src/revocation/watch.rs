//! What every replica says to what is about to be revoked, and says to it afterwards.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use reqwest::{Client, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::administrator::client;
use super::propagation::{Acceptances, BOUND};
use super::victim::{Credential, Revocation, Victim};

/// How long replicas are asked after the revocation: what was refused once might be accepted
/// again.
const WATCHED_FOR: Duration = BOUND.saturating_mul(2);
/// Between two questions to a replica that has refused.
const AFTER_A_REFUSAL: Duration = Duration::from_millis(50);

/// A revocation, and those who ask.
pub(super) struct Case {
    what: Revocation,
    shared: Arc<Shared>,
    watches: usize,
    asking: JoinSet<Result<Sightings>>,
}

/// What those who ask and the one who revokes tell each other.
#[derive(Default)]
struct Shared {
    /// When the administrator had the answer.
    answered: OnceLock<Instant>,
    /// How many were accepted before.
    accepted: AtomicUsize,
    /// How many were refused since.
    refused: AtomicUsize,
}

/// The last acceptance that one of them saw.
#[derive(Clone, Copy)]
struct Sightings {
    sent: Instant,
    received: Instant,
}

impl Case {
    /// Asks every replica about all that will be revoked.
    pub(super) fn watch(victim: &Victim, urls: &[String]) -> Self {
        let (shared, mut asking) = (Arc::new(Shared::default()), JoinSet::new());
        for credential in victim.condemned() {
            for url in urls {
                asking.spawn(ask(credential.clone(), url.clone(), Arc::clone(&shared)));
            }
        }
        Self { what: victim.what, shared, watches: asking.len(), asking }
    }

    pub(super) fn is_accepted_by_all(&self) -> bool {
        self.shared.accepted.load(Ordering::Relaxed) == self.watches
    }

    pub(super) fn is_refused_by_all(&self) -> bool {
        self.shared.refused.load(Ordering::Relaxed) == self.watches
    }

    /// Notes when the administrator had the answer.
    pub(super) fn answered(&self, at: Instant) -> Instant {
        *self.shared.answered.get_or_init(|| at)
    }

    /// The last acceptance anywhere, when nobody asks any more.
    pub(super) async fn last_acceptance(mut self) -> Result<Acceptances> {
        let answered = self.answered(Instant::now());
        let mut last = Acceptances::none(self.what);
        while let Some(sightings) = self.asking.join_next().await {
            let Sightings { sent, received } = sightings??;
            last.sent = last.sent.max(sent.saturating_duration_since(answered));
            last.received = last.received.max(received.saturating_duration_since(answered));
        }
        Ok(last)
    }
}

async fn ask(credential: Credential, url: String, shared: Arc<Shared>) -> Result<Sightings> {
    let http = client()?;
    let began = Instant::now();
    let mut last = Sightings { sent: began, received: began };
    let (mut was_accepted, mut was_refused) = (false, false);
    loop {
        let sent = Instant::now();
        let answered = shared.answered.get();
        if answered.is_some_and(|answered| sent > *answered + WATCHED_FOR) {
            return Ok(last);
        }
        let status = status(&http, &url, &credential).await?;
        if status == StatusCode::OK {
            last = Sightings { sent, received: Instant::now() };
            if !std::mem::replace(&mut was_accepted, true) {
                shared.accepted.fetch_add(1, Ordering::Relaxed);
            }
        } else if answered.is_some() && status == StatusCode::UNAUTHORIZED {
            if !std::mem::replace(&mut was_refused, true) {
                shared.refused.fetch_add(1, Ordering::Relaxed);
            }
            sleep(AFTER_A_REFUSAL).await;
        }
    }
}

/// What a replica says to a credential.
pub(super) async fn status(
    http: &Client,
    url: &str,
    credential: &Credential,
) -> Result<StatusCode> {
    let request = http.get(format!("{url}/forward-auth"));
    let answer = request.header("Authorization", credential.authorization()?).send().await?;
    let status = answer.status();
    // Or the connection is not used again.
    answer.bytes().await?;
    Ok(status)
}

//! How long a revocation takes until no replica accepts any more what was revoked, under load.
//!
//! Victims have a public key, an API key and an access token that it bought. One victim after
//! the other is used at every replica without a pause; then something of it is revoked, through
//! the administration API of one replica, and its uses go on. What counts is when a request was
//! *sent*: one that was sent later than the bound after the administrator had the answer must
//! not be accepted, however slow the machine is.

mod administrator;
mod load;
mod propagation;
mod replicas;
mod victim;
mod watch;

pub use propagation::{Acceptances, BOUND, Propagation};

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use tokio::time::{Instant, sleep, timeout};

use self::administrator::Administrator;
use self::load::Load;
use self::replicas::Replicas;
use self::victim::{Revocation, Victim};
use self::watch::Case;

/// How long is waited for what must come.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// What stands in the way of the news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Trouble {
    /// Nothing.
    None,
    /// The connections on which replicas listen are cut all the time.
    CutListeners,
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct RevocationPlan {
    /// What stands in the way of the news.
    pub trouble: Trouble,
    /// How many revocations there are, one after the other.
    pub revocations: usize,
    /// What is revoked each time follows from it.
    pub seed: u64,
}

/// Does what the plan says, and measures.
///
/// # Errors
/// If the installation cannot be started, or does not accept what it must.
pub async fn revocation(plan: &RevocationPlan) -> Result<Propagation> {
    let replicas = Replicas::start().await?;
    let administrator = Administrator::of(replicas.first()).await?;
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut victims = Vec::with_capacity(plan.revocations);
    for number in 0..plan.revocations {
        let what = Revocation::ALL[random.next_u32() as usize % Revocation::ALL.len()];
        victims.push(Victim::register(&administrator, number, what).await?);
    }
    let urls: Arc<[String]> = replicas.urls().into();
    let load = Load::start(&administrator, &urls).await?;
    let troubled = replicas.make_trouble(plan.trouble).await?;
    let mut watched = Vec::with_capacity(plan.revocations);
    for victim in victims {
        let what = victim.what;
        let case = one(&administrator, &urls, victim).await.with_context(|| {
            format!("{what:?}, after {} others, {:?}", watched.len(), plan.trouble)
        })?;
        watched.push(case);
    }
    let mut acceptances = Vec::with_capacity(watched.len());
    for case in watched {
        acceptances.push(case.last_acceptance().await?);
    }
    Ok(Propagation { acceptances, load: load.end().await, cuts: troubled.end()? })
}

/// Revokes something of one victim while all of them are asked, and returns when none accepts it
/// any more, or the bound has passed; they are asked for a while longer.
async fn one(administrator: &Administrator, urls: &Arc<[String]>, victim: Victim) -> Result<Case> {
    let case = Case::watch(&victim, urls);
    let accepted = async {
        while !case.is_accepted_by_all() {
            sleep(BETWEEN_LOOKS).await;
        }
    };
    timeout(PATIENCE, accepted).await.context("not every replica accepts what it must")?;
    victim.revoke(administrator).await?;
    let answered = case.answered(Instant::now());
    while !case.is_refused_by_all() && answered.elapsed() <= BOUND {
        sleep(BETWEEN_LOOKS).await;
    }
    Ok(case)
}

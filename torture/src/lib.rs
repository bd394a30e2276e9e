//! The torture of a running installation: each token is sent to every replica at once and
//! again later, while a schedule that follows from a seed breaks what can break. At the end a
//! ledger of all attempts says whether a token was accepted more than once, whether one was not
//! accepted although nothing was broken, and whether a replica that was cut from its engine said
//! anything but that it cannot know.
//!
//! [`revocation`] does the like to the other promise: how soon every replica obeys a revocation.
//!
//! What is tortured is the binary that a user runs, on the engines that a user has.

mod callers;
mod engine;
mod installation;
mod ledger;
mod partition;
mod plan;
pub mod revocation;
mod sabotage;
mod schedule;
mod simulation;
mod verdict;

pub use plan::{Engine, Plan};
pub use simulation::{Flaw, Simulated, Simulation, simulate};
pub use verdict::{Partitions, Verdict};

use std::sync::Arc;

use anyhow::Result;
use tokio::sync::watch;

use crate::callers::Callers;
use crate::installation::Installation;
use crate::ledger::Ledger;

/// Does what the plan says, and judges what came of it.
///
/// # Errors
/// If the installation cannot be started, or does not recover from a fault.
pub async fn torture(plan: &Plan) -> Result<Verdict> {
    let schedule = schedule::draw(plan);
    let installation = Arc::new(Installation::start(plan).await?);
    let callers = Callers::register(&installation).await?;
    let ledger = Arc::new(Ledger::default());
    let (want, wanted) = watch::channel(0);
    let load = callers.send_all(plan, &installation, (&ledger, wanted));
    let sabotage = sabotage::follow(&schedule, &installation, &callers, (&ledger, want));
    let (loaded, faults) = tokio::join!(load, sabotage);
    // Without faults the load ends, too, and this is why.
    let faults = faults?;
    loaded?;
    Ok(Verdict::of(&ledger.take(), &faults))
}

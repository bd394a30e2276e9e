//! The same promises in a simulation: the code of the server, of the guard that servers share
//! and of callers, on hosts, clocks and a network that are all drawn from one seed. The same
//! seed gives the same run, down to each answer and its time.
//!
//! What is simulated is the world: the network and time (turmoil), clocks that differ, and
//! Redis ([`engine`]). What is not is a line of ours: replicas are the public service with the
//! Redis guard behind its circuit breaker, over the driver for Redis and hyper.

mod callers;
mod clock;
mod engine;
mod faults;
mod host;
mod plan;
mod probes;
mod random;
mod replica;
mod wire;
mod world;

use std::fmt;

use anyhow::{Context as _, Result};

pub use plan::{Flaw, Simulation};

use crate::verdict::Verdict;

/// What came of a simulation.
pub struct Simulated {
    plan: Simulation,
    /// What the ledger says.
    pub verdict: Verdict,
    /// Everything that happened, in a form that can be compared.
    pub events: Vec<String>,
}

/// Runs a simulation to its end.
///
/// # Errors
/// If something breaks that no fault breaks, or a replica does not recover; with the seed.
pub fn simulate(plan: &Simulation) -> Result<Simulated> {
    let (verdict, events) = world::run(plan).with_context(|| plan.again())?;
    Ok(Simulated { plan: plan.clone(), verdict, events })
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.plan.again(), self.verdict)
    }
}

//! Whether replicas work, asked all the time: so long as a replica that a fault broke has not
//! accepted a fresh token, the fault is in force.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::callers::{Caller, ask};
use super::clock::elapsed;
use super::plan::REPLICAS;
use crate::ledger::Outcome;

const BETWEEN_PROBES: Duration = Duration::from_millis(250);

/// What came of probes: when they began and when they ended, for each replica.
#[derive(Clone, Default)]
pub(super) struct Probes(Arc<Mutex<[Vec<Accepted>; REPLICAS]>>);

#[derive(Clone, Copy, Debug)]
struct Accepted {
    began: Duration,
    ended: Duration,
}

impl Probes {
    /// Asks until the simulation ends.
    pub(super) async fn ask_all(self, prober: Caller) -> turmoil::Result {
        loop {
            for replica in 0..REPLICAS {
                let authorization = prober.authorization()?;
                tokio::spawn(self.clone().probe(replica, authorization));
            }
            tokio::time::sleep(BETWEEN_PROBES).await;
        }
    }

    async fn probe(self, replica: usize, authorization: Arc<str>) {
        let began = elapsed();
        if ask(replica, &authorization).await == Outcome::Accepted {
            let accepted = Accepted { began, ended: elapsed() };
            self.0.lock().unwrap_or_else(PoisonError::into_inner)[replica].push(accepted);
        }
    }

    /// When every replica had accepted a token that was made after that instant.
    pub(super) fn all_accepted_after(&self, instant: Duration) -> Option<Duration> {
        let probes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |probes: &Vec<Accepted>| {
            let after = probes.iter().filter(|probe| probe.began >= instant);
            after.map(|probe| probe.ended).min()
        };
        let all: Option<Vec<Duration>> = probes.iter().map(first).collect();
        all?.into_iter().max()
    }
}

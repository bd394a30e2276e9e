//! Breaks what the schedule says, when it says so, and waits until all is well again.

use std::time::Duration;

use anyhow::{Context as _, Result};
use interop::Behaviour;
use tokio::time::{Instant, sleep, timeout};

use crate::callers::{Callers, ask};
use crate::installation::Installation;
use crate::ledger::{Ledger, Outcome};
use crate::schedule::{Fault, Scheduled};

/// How long a clock is wrong, or the network slow.
const FAULT_FOR: Duration = Duration::from_millis(500);
/// How long an installation may take until every replica accepts again.
const RECOVERY: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// When a fault was in force: from before it until every replica had accepted a fresh token.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// Its kind, and in brackets what tells it from others of its kind.
    pub(crate) what: String,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl InForce {
    /// What and when, since an instant.
    pub(crate) fn told_since(&self, origin: Instant) -> String {
        format!("{} from {:?} until {:?}", self.what, self.from - origin, self.until - origin)
    }
}

/// Follows a schedule to its end.
pub(crate) async fn follow(
    schedule: &[Scheduled],
    installation: &Installation,
    callers: &Callers,
    ledger: &Ledger,
) -> Result<Vec<InForce>> {
    let mut faults = Vec::with_capacity(schedule.len());
    for &scheduled in schedule {
        while ledger.len() < scheduled.after_tokens as usize {
            sleep(BETWEEN_LOOKS).await;
        }
        let from = Instant::now();
        inflict(scheduled, installation).await.with_context(|| format!("{scheduled:?}"))?;
        let recovered = timeout(RECOVERY, recovery(installation, callers)).await;
        recovered.with_context(|| format!("no recovery from {scheduled:?}"))??;
        let what = format!("{:?}", scheduled.fault);
        faults.push(InForce { what, from, until: Instant::now() });
    }
    Ok(faults)
}

async fn inflict(scheduled: Scheduled, installation: &Installation) -> Result<()> {
    let replica = &installation.replicas()[scheduled.replica];
    let network = replica.network();
    match scheduled.fault {
        Fault::Kill => {
            let mut server = replica.server().await;
            server.restart().await?;
            network.aim_at(server.address());
        }
        Fault::Upgrade => {
            let mut server = replica.server().await;
            server.upgrade().await?;
            network.aim_at(server.address());
        }
        Fault::Pause(span) => {
            let server = replica.server().await;
            server.pause()?;
            sleep(span).await;
            server.go_on()?;
        }
        Fault::Cut => network.cut(),
        Fault::KillEngine => installation.engine().await?.kill()?,
        Fault::PauseEngine(span) => installation.engine().await?.pause(span).await?,
        Fault::ClockStep(seconds) => {
            let server = replica.server().await;
            let clock = server.clock().context("a clock that can be stepped")?;
            clock.step(seconds)?;
            sleep(FAULT_FOR).await;
            clock.step(0)?;
        }
        Fault::Slow(delay) => {
            network.behave(Behaviour::Slow(delay));
            sleep(FAULT_FOR).await;
            network.behave(Behaviour::Honest);
        }
    }
    Ok(())
}

/// Until every replica accepts a fresh token.
async fn recovery(installation: &Installation, callers: &Callers) -> Result<()> {
    for replica in 0..installation.replicas().len() {
        while ask(installation, replica, &callers.token(replica)?).await != Outcome::Accepted {
            sleep(BETWEEN_LOOKS).await;
        }
    }
    Ok(())
}

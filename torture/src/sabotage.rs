//! Breaks what the schedule says, when it says so, and waits until all is well again.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use interop::Behaviour;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::callers::{Callers, ask};
use crate::installation::Installation;
use crate::ledger::{Attempt, Ledger, Outcome};
use crate::partition::{CutOff, partition};
use crate::schedule::{Fault, Scheduled};

/// How long a clock is wrong, or the network slow.
const FAULT_FOR: Duration = Duration::from_millis(500);
/// How long an installation may take until every replica accepts again. Twenty seconds are what
/// tokens have to wait behind a restart of the engine; the rest is for a machine that is busy
/// with other things. Whoever waits for a restart waits for ever.
const RECOVERY: Duration = Duration::from_mins(3);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// When a fault was in force: from before it until every replica had accepted a fresh token.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// Its kind, and in brackets what tells it from others of its kind.
    pub(crate) what: String,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
    /// If it was in force for one replica alone.
    pub(crate) cut_off: Option<CutOff>,
}

impl InForce {
    /// Whether it may be why an attempt came to nothing. While a replica is cut from its engine
    /// the others have to go on, and what it says itself is known.
    pub(crate) fn excuses(&self, attempt: &Attempt) -> bool {
        self.overlaps(attempt)
            && self.cut_off.as_ref().is_none_or(|cut_off| {
                attempt.replica == cut_off.replica && !cut_off.saw_all_of(attempt)
            })
    }

    pub(crate) fn overlaps(&self, attempt: &Attempt) -> bool {
        attempt.began <= self.until && attempt.ended >= self.from
    }

    /// What and when, since an instant.
    pub(crate) fn told_since(&self, origin: Instant) -> String {
        format!("{} from {:?} until {:?}", self.what, self.from - origin, self.until - origin)
    }
}

/// Follows a schedule to its end, and says how many tokens are wanted: some during each fault,
/// some after it, and no more until the next, however long this one takes.
pub(crate) async fn follow(
    schedule: &[Scheduled],
    installation: &Installation,
    callers: &Callers,
    (ledger, want): (&Ledger, watch::Sender<u32>),
) -> Result<Vec<InForce>> {
    let mut faults = Vec::with_capacity(schedule.len());
    for (number, &scheduled) in schedule.iter().enumerate() {
        want.send_replace(scheduled.after_tokens);
        while ledger.len() < scheduled.after_tokens as usize {
            sleep(BETWEEN_LOOKS).await;
        }
        let next = schedule.get(number + 1).map_or(u32::MAX, |next| next.after_tokens);
        want.send_replace(next - (next - scheduled.after_tokens) / 4);
        let from = Instant::now();
        let told = || format!("{scheduled:?}");
        let cut_off = inflict(scheduled, installation, callers).await.with_context(told)?;
        recovery(installation, callers).await.with_context(told)?;
        let what = format!("{:?}", scheduled.fault);
        faults.push(InForce { what, from, until: Instant::now(), cut_off });
    }
    want.send_replace(u32::MAX);
    Ok(faults)
}

async fn inflict(
    scheduled: Scheduled,
    installation: &Installation,
    callers: &Callers,
) -> Result<Option<CutOff>> {
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
        Fault::Partition(span, healing) => {
            let how = (span, healing);
            return partition(scheduled.replica, how, installation, callers).await.map(Some);
        }
    }
    Ok(None)
}

/// Until every replica accepts a fresh token.
async fn recovery(installation: &Installation, callers: &Callers) -> Result<()> {
    let patience = Instant::now() + RECOVERY;
    for (number, replica) in installation.replicas().iter().enumerate() {
        loop {
            let outcome = ask(installation, number, &callers.token(number)?).await;
            if outcome == Outcome::Accepted {
                break;
            }
            if Instant::now() > patience {
                let log = replica.server().await.log();
                bail!("no recovery within {RECOVERY:?}: {outcome:?} by replica {number}:\n{log}");
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }
    Ok(())
}

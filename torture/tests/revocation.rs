//! No replica accepts what was revoked more than a second before; and the acceptances that
//! there are before are found.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use countersign_torture::revocation::{Propagation, RevocationPlan, Trouble, revocation};

async fn measured(trouble: Trouble, revocations: usize, seed: u64) -> Result<Propagation> {
    let plan = RevocationPlan { trouble, revocations, seed };
    let measured = revocation(&plan).await?;
    // Not held back by the test harness: the histogram is for whoever reads the run.
    writeln!(std::io::stdout(), "{plan:?}\n{measured}")?;
    ensure!(measured.acceptances.len() == revocations, "{measured}");
    // Or there was no load.
    ensure!(measured.load.accepted > 100, "{measured}");
    Ok(measured)
}

#[tokio::test]
async fn every_replica_obeys_within_a_second() -> Result<()> {
    let measured = measured(Trouble::None, 200, 1).await?;
    ensure!(measured.late().is_empty() && measured.load.refused == 0, "{measured}");
    Ok(())
}

#[tokio::test]
async fn and_also_when_its_listening_connection_is_cut_all_the_time() -> Result<()> {
    let measured = measured(Trouble::CutListeners, 100, 2).await?;
    ensure!(measured.late().is_empty() && measured.load.refused == 0, "{measured}");
    ensure!(measured.cuts > 20, "{measured}");
    // They only look four times a second then, which a bound of nothing would not forgive.
    ensure!(measured.later_than(Duration::ZERO).len() > 10, "{measured}");
    Ok(())
}

//! One replica is cut from what remembers spent nonces, while callers reach it and the others
//! reach what remembers. Nothing passes and nothing is closed, so that it cannot know.

use std::time::Duration;

use anyhow::Result;
use interop::Behaviour;
use tokio::time::{Instant, sleep};

use crate::callers::{Callers, ask};
use crate::installation::Installation;
use crate::ledger::{Attempt, Outcome};

const BETWEEN_QUESTIONS: Duration = Duration::from_millis(20);

/// How a partition ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Healing {
    /// Connections go on, and what was sent meanwhile arrives late.
    GoesOn,
    /// All connections from before it break, and nothing of it arrives.
    Breaks,
}

/// A replica without its engine, and what it said.
#[derive(Clone, Debug)]
pub(crate) struct CutOff {
    pub(crate) replica: usize,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
    /// How often it accepted an access token, which no engine is asked about.
    pub(crate) access_tokens: usize,
    /// What it should not have said.
    pub(crate) wrong: Vec<String>,
}

/// Cuts a replica from its engine, and asks it until the time is over and it has answered once
/// more: however slow the machine is, what it says while it is cut is heard.
pub(crate) async fn partition(
    replica: usize,
    (span, healing): (Duration, Healing),
    installation: &Installation,
    callers: &Callers,
) -> Result<CutOff> {
    let to_engine = installation.replicas()[replica].to_engine()?;
    to_engine.behave(Behaviour::Holds);
    let from = Instant::now();
    let (signed, bearing) = tokio::join!(
        until_over(from + span, async || {
            Ok(ask(installation, replica, &callers.token(replica)?).await)
        }),
        until_over(from + span, async || {
            Ok(ask(installation, replica, callers.access_token()).await)
        })
    );
    let until = Instant::now();
    if healing == Healing::Breaks {
        to_engine.cut();
    }
    to_engine.behave(Behaviour::Honest);
    let bearing = bearing?;
    // It does not know of revocations any more, if it hears of them from its engine.
    let may_doubt = installation.accounts_are_in_the_engine();
    let is_wrong = |outcome: &Outcome| match outcome {
        Outcome::Accepted => false,
        Outcome::Unavailable => !may_doubt,
        _ => true,
    };
    let told =
        |what, outcome| format!("replica {replica}, without its engine, to {what}: {outcome:?}");
    let signed = signed?.into_iter().filter(|outcome| *outcome != Outcome::Unavailable);
    let signed = signed.map(|outcome| told("a signed request", outcome));
    let access_tokens = bearing.iter().filter(|outcome| **outcome == Outcome::Accepted).count();
    let bearing = bearing.into_iter().filter(is_wrong);
    let bearing = bearing.map(|outcome| told("an access token", outcome));
    Ok(CutOff { replica, from, until, access_tokens, wrong: signed.chain(bearing).collect() })
}

/// Asks again and again; the last time when it is over.
async fn until_over(
    over: Instant,
    mut question: impl AsyncFnMut() -> Result<Outcome>,
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    loop {
        let is_last = Instant::now() >= over;
        outcomes.push(question().await?);
        if is_last {
            return Ok(outcomes);
        }
        sleep(BETWEEN_QUESTIONS).await;
    }
}

impl CutOff {
    /// Whether an attempt was made at this replica, and answered, while it was cut off.
    pub(crate) fn saw_all_of(&self, attempt: &Attempt) -> bool {
        attempt.replica == self.replica && self.from <= attempt.began && attempt.ended <= self.until
    }
}

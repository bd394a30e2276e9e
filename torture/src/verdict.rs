//! What the ledger says about the promises.

mod partitions;

pub use partitions::Partitions;

use std::collections::BTreeMap;
use std::fmt;

use tokio::time::Instant;

use crate::ledger::{Attempt, Outcome, Token};
use crate::sabotage::InForce;

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many tokens were made.
    pub tokens: usize,
    /// How many attempts were made with them.
    pub attempts: usize,
    /// How many tokens were accepted.
    pub accepted: usize,
    /// How many faults there were.
    pub faults: usize,
    /// How many of each kind.
    pub kinds: BTreeMap<String, usize>,
    /// How many tokens met a fault with their first attempts.
    pub met_a_fault: usize,
    /// What became of the partitions.
    pub partitions: Partitions,
    /// Tokens that were accepted more than once, with what happened to them.
    pub accepted_more_than_once: Vec<String>,
    /// Tokens that met no fault and were not accepted at once, with what happened to them.
    pub not_accepted: Vec<String>,
}

impl Verdict {
    pub(crate) fn of(tokens: &[Token], faults: &[InForce]) -> Self {
        let mut verdict = Self {
            tokens: tokens.len(),
            attempts: tokens.iter().map(|token| token.attempts.len()).sum(),
            accepted: 0,
            faults: faults.len(),
            kinds: kinds(faults),
            met_a_fault: 0,
            partitions: Partitions::of(faults),
            accepted_more_than_once: Vec::new(),
            not_accepted: Vec::new(),
        };
        for (number, token) in tokens.iter().enumerate() {
            let acceptances = token.count(Outcome::Accepted);
            let meets_fault = token.meets(faults);
            verdict.accepted += usize::from(acceptances > 0);
            verdict.met_a_fault += usize::from(meets_fault);
            let told = || format!("token {number}: {}", token.story(faults));
            for cut_off in faults.iter().filter_map(|fault| fault.cut_off.as_ref()) {
                if verdict.partitions.is_answered_wrongly(token, cut_off) {
                    verdict.partitions.wrong.push(told());
                }
            }
            if acceptances > 1 {
                verdict.accepted_more_than_once.push(told());
            }
            if token.breaks_its_promise() && !meets_fault {
                verdict.not_accepted.push(told());
            }
        }
        verdict
    }

    /// Whether all promises were kept.
    pub fn holds(&self) -> bool {
        self.wrong().next().is_none()
    }

    fn wrong(&self) -> impl Iterator<Item = &String> {
        let Self { accepted_more_than_once, not_accepted, partitions, .. } = self;
        accepted_more_than_once.iter().chain(not_accepted).chain(&partitions.wrong)
    }
}

impl Token {
    fn count(&self, outcome: Outcome) -> usize {
        self.attempts.iter().filter(|attempt| attempt.outcome == outcome).count()
    }

    /// Whether a fault was in force during the first attempts.
    fn meets(&self, faults: &[InForce]) -> bool {
        let mut first = self.promised();
        first.any(|attempt| faults.iter().any(|fault| fault.excuses(attempt)))
    }

    /// Whether one of the first attempts should have been accepted and none was.
    fn breaks_its_promise(&self) -> bool {
        let is_accepted = |attempt: &Attempt| attempt.outcome == Outcome::Accepted;
        self.promised().next().is_some() && !self.promised().any(is_accepted)
    }

    fn promised(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.is_promised)
    }

    /// All attempts with it, and their times since an instant.
    pub(crate) fn story_since(&self, origin: Instant) -> String {
        let told = |Attempt { replica, is_promised, began, ended, outcome }: &Attempt| {
            let (began, ended) = (*began - origin, *ended - origin);
            format!("replica {replica} {is_promised} {began:?} {ended:?} {outcome:?}")
        };
        self.attempts.iter().map(told).collect::<Vec<_>>().join("; ")
    }

    fn story(&self, faults: &[InForce]) -> String {
        let attempts = self.attempts.iter().map(|attempt| attempt.told(faults));
        attempts.collect::<Vec<_>>().join("; ")
    }
}

impl Attempt {
    fn told(&self, faults: &[InForce]) -> String {
        let Self { replica, outcome, .. } = self;
        let millis = |from: Instant, to: Instant| to.saturating_duration_since(from).as_millis();
        let took = millis(self.began, self.ended);
        let during = faults.iter().find(|fault| fault.overlaps(self));
        let during = during.map(|fault| {
            let since = millis(fault.from, self.began);
            format!(", {since} ms after {} began", fault.what)
        });
        format!("replica {replica}: {outcome:?} in {took} ms{}", during.unwrap_or_default())
    }
}

fn kinds(faults: &[InForce]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for fault in faults {
        let kind = fault.what.split('(').next().unwrap_or_default();
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>8} tokens, {} attempts, {} faults",
            self.tokens, self.attempts, self.faults
        )?;
        let kinds: Vec<_> = self.kinds.iter().map(|(kind, of)| format!("{of} {kind}")).collect();
        if !kinds.is_empty() {
            writeln!(f, "         ({})", kinds.join(", "))?;
        }
        writeln!(f, "{:>8} accepted", self.accepted)?;
        writeln!(f, "{:>8} met a fault", self.met_a_fault)?;
        if self.partitions != Partitions::default() {
            write!(f, "{}", self.partitions)?;
        }
        writeln!(f, "{:>8} accepted more than once", self.accepted_more_than_once.len())?;
        writeln!(f, "{:>8} not accepted, without a fault", self.not_accepted.len())?;
        self.wrong().take(20).try_for_each(|story| writeln!(f, "{story}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn token(start: Instant, outcomes: &[Outcome]) -> Token {
        let attempt = |(number, &outcome)| {
            let is_promised = number + 1 < outcomes.len();
            Attempt { replica: 0, is_promised, began: start, ended: start, outcome }
        };
        Token { attempts: outcomes.iter().enumerate().map(attempt).collect() }
    }

    #[tokio::test]
    async fn the_promises_are_about_every_token() {
        use Outcome::{Accepted, Lost, Refused, Unavailable};
        let start = Instant::now();
        let later = start + Duration::from_secs(10);
        let until = later + Duration::from_secs(1);
        let faults = [InForce { what: "Slow(20ms)".to_owned(), from: later, until, cut_off: None }];
        let judged = |tokens: &[Token]| {
            let verdict = Verdict::of(tokens, &faults);
            assert_eq!(verdict.kinds.get("Slow"), Some(&1));
            (verdict.accepted_more_than_once.len(), verdict.not_accepted.len(), verdict.met_a_fault)
        };
        assert_eq!(judged(&[token(start, &[Accepted, Refused, Refused])]), (0, 0, 0));
        assert_eq!(judged(&[token(start, &[Accepted, Refused, Accepted])]), (1, 0, 0));
        assert_eq!(judged(&[token(start, &[Refused, Refused, Refused])]), (0, 1, 0));
        assert_eq!(judged(&[token(start, &[Unavailable, Lost, Refused])]), (0, 1, 0));
        // The next try does not make good for the first.
        assert_eq!(judged(&[token(start, &[Unavailable, Lost, Accepted])]), (0, 1, 0));
        // A fault excuses that none was accepted, and not that two were.
        assert_eq!(judged(&[token(later, &[Lost, Lost, Refused])]), (0, 0, 1));
        assert_eq!(judged(&[token(later, &[Accepted, Accepted, Refused])]), (1, 0, 1));
    }
}

//! What the ledger says about the two promises.

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
    /// How many tokens met a fault with their first attempts.
    pub met_a_fault: usize,
    /// Tokens that were accepted more than once, with what happened to them.
    pub accepted_more_than_once: Vec<String>,
    /// Tokens that met no fault and were not accepted, with what happened to them.
    pub not_accepted: Vec<String>,
}

impl Verdict {
    pub(crate) fn of(tokens: &[Token], faults: &[InForce]) -> Self {
        let mut verdict = Self {
            tokens: tokens.len(),
            attempts: tokens.iter().map(|token| token.attempts.len()).sum(),
            accepted: 0,
            faults: faults.len(),
            met_a_fault: 0,
            accepted_more_than_once: Vec::new(),
            not_accepted: Vec::new(),
        };
        for (number, token) in tokens.iter().enumerate() {
            let acceptances = token.count(Outcome::Accepted);
            let meets_fault = token.meets(faults);
            verdict.accepted += usize::from(acceptances > 0);
            verdict.met_a_fault += usize::from(meets_fault);
            let told = || format!("token {number}: {}", token.story(faults));
            if acceptances > 1 {
                verdict.accepted_more_than_once.push(told());
            }
            if acceptances == 0 && !meets_fault {
                verdict.not_accepted.push(told());
            }
        }
        verdict
    }

    /// Whether both promises were kept.
    pub fn holds(&self) -> bool {
        self.accepted_more_than_once.is_empty() && self.not_accepted.is_empty()
    }
}

impl Token {
    fn count(&self, outcome: Outcome) -> usize {
        self.attempts.iter().filter(|attempt| attempt.outcome == outcome).count()
    }

    /// Whether a fault was in force during the first attempts. All but the last attempt are
    /// made at once.
    fn meets(&self, faults: &[InForce]) -> bool {
        let first = self.first_attempts();
        faults.iter().any(|fault| first.iter().any(|attempt| attempt.overlaps(fault)))
    }

    fn first_attempts(&self) -> &[Attempt] {
        self.attempts.split_last().map_or(&[], |(_, first)| first)
    }

    fn story(&self, faults: &[InForce]) -> String {
        let attempts = self.attempts.iter().map(|attempt| attempt.told(faults));
        attempts.collect::<Vec<_>>().join("; ")
    }
}

impl Attempt {
    fn overlaps(&self, fault: &InForce) -> bool {
        self.began <= fault.until && self.ended >= fault.from
    }

    fn told(&self, faults: &[InForce]) -> String {
        let Self { replica, outcome, .. } = self;
        let millis = |from: Instant, to: Instant| to.saturating_duration_since(from).as_millis();
        let took = millis(self.began, self.ended);
        let during = faults.iter().find(|fault| self.overlaps(fault));
        let during = during.map(|fault| {
            let since = millis(fault.from, self.began);
            format!(", {since} ms after {:?} began", fault.scheduled.fault)
        });
        format!("replica {replica}: {outcome:?} in {took} ms{}", during.unwrap_or_default())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>8} tokens, {} attempts, {} faults",
            self.tokens, self.attempts, self.faults
        )?;
        writeln!(f, "{:>8} accepted", self.accepted)?;
        writeln!(f, "{:>8} met a fault", self.met_a_fault)?;
        writeln!(f, "{:>8} accepted more than once", self.accepted_more_than_once.len())?;
        writeln!(f, "{:>8} not accepted, without a fault", self.not_accepted.len())?;
        let wrong = self.accepted_more_than_once.iter().chain(&self.not_accepted);
        wrong.take(20).try_for_each(|story| writeln!(f, "{story}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::schedule::{Fault, Scheduled};

    fn token(start: Instant, outcomes: &[Outcome]) -> Token {
        let attempt = |&outcome| Attempt { replica: 0, began: start, ended: start, outcome };
        Token { attempts: outcomes.iter().map(attempt).collect() }
    }

    #[tokio::test]
    async fn the_promises_are_about_every_token() {
        use Outcome::{Accepted, Lost, Refused, Unavailable};
        let start = Instant::now();
        let later = start + Duration::from_secs(10);
        let scheduled = Scheduled { after_tokens: 1, replica: 0, fault: Fault::Cut };
        let fault = InForce { scheduled, from: later, until: later + Duration::from_secs(1) };
        let judged = |tokens: &[Token]| {
            let verdict = Verdict::of(tokens, &[fault]);
            (verdict.accepted_more_than_once.len(), verdict.not_accepted.len(), verdict.met_a_fault)
        };
        assert_eq!(judged(&[token(start, &[Accepted, Refused, Refused])]), (0, 0, 0));
        assert_eq!(judged(&[token(start, &[Accepted, Refused, Accepted])]), (1, 0, 0));
        assert_eq!(judged(&[token(start, &[Refused, Refused, Refused])]), (0, 1, 0));
        assert_eq!(judged(&[token(start, &[Unavailable, Lost, Refused])]), (0, 1, 0));
        // A fault excuses that none was accepted, and not that two were.
        assert_eq!(judged(&[token(later, &[Lost, Lost, Refused])]), (0, 0, 1));
        assert_eq!(judged(&[token(later, &[Accepted, Accepted, Refused])]), (1, 0, 1));
    }
}

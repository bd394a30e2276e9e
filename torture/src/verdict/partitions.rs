//! What is said of partitions.

use std::fmt;
use std::time::Duration;

use crate::ledger::{Attempt, Outcome, Token};
use crate::partition::CutOff;
use crate::sabotage::InForce;

/// What replicas did that were cut from their engine, and the others meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partitions {
    /// How many attempts were made at a replica that was cut off, and answered meanwhile.
    pub attempts: usize,
    /// The longest that it let a caller wait for such an answer.
    pub longest_wait: Duration,
    /// How many of those tokens another replica accepted.
    pub accepted_elsewhere: usize,
    /// How often a replica that was cut off accepted an access token.
    pub access_tokens: usize,
    /// What it should not have said.
    pub wrong: Vec<String>,
}

impl Partitions {
    pub(super) fn of(faults: &[InForce]) -> Self {
        let mut partitions = Self::default();
        for cut_off in faults.iter().filter_map(|fault| fault.cut_off.as_ref()) {
            partitions.access_tokens += cut_off.access_tokens;
            partitions.wrong.extend_from_slice(&cut_off.wrong);
        }
        partitions
    }

    /// Counts what a replica that was cut off said to a token. It cannot know that it is good,
    /// nor, unless it saw the token before, that it is not.
    pub(super) fn is_answered_wrongly(&mut self, token: &Token, cut_off: &CutOff) -> bool {
        let answered = token.attempts.iter().filter(|attempt| cut_off.saw_all_of(attempt));
        let mut is_odd = false;
        for &Attempt { began, ended, outcome, .. } in answered {
            self.attempts += 1;
            self.longest_wait = self.longest_wait.max(ended - began);
            is_odd |= !matches!(outcome, Outcome::Unavailable | Outcome::Refused);
        }
        let first = token.promised().filter(|attempt| attempt.replica == cut_off.replica);
        let first: Vec<_> = first.collect();
        if first.is_empty() || !first.iter().all(|attempt| cut_off.saw_all_of(attempt)) {
            return is_odd;
        }
        self.accepted_elsewhere += usize::from(token.count(Outcome::Accepted) > 0);
        // Of two at the same time one may be called a replay of the other.
        is_odd || first.iter().all(|attempt| attempt.outcome == Outcome::Refused)
    }
}

impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, longest_wait, accepted_elsewhere, access_tokens, wrong } = self;
        let longest = longest_wait.as_millis();
        writeln!(f, "{attempts:>8} attempts answered by a replica cut from its engine")?;
        writeln!(f, "         (in {longest} ms at most)")?;
        writeln!(f, "{accepted_elsewhere:>8} of their tokens accepted elsewhere")?;
        writeln!(f, "{access_tokens:>8} access tokens accepted by such a replica")?;
        writeln!(f, "{:>8} wrong answers of such a replica", wrong.len())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::verdict::Verdict;

    const SECOND: Duration = Duration::from_secs(1);

    /// Replica 1 is cut off from the first second to the fourth, and has recovered by the sixth.
    fn judged(attempts: &[(usize, u32, Outcome)]) -> Verdict {
        let start = Instant::now();
        let (from, until) = (start + SECOND, start + 4 * SECOND);
        let cut_off = CutOff { replica: 1, from, until, access_tokens: 7, wrong: Vec::new() };
        let (what, until) = ("Partition(3s, Breaks)".to_owned(), start + 6 * SECOND);
        let fault = InForce { what, from, until, cut_off: Some(cut_off) };
        let attempt = |&(replica, began, outcome)| {
            let began = start + SECOND * began;
            Attempt { replica, is_promised: true, began, ended: began + SECOND, outcome }
        };
        let token = Token { attempts: attempts.iter().map(attempt).collect() };
        let verdict = Verdict::of(&[token], &[fault]);
        assert_eq!(verdict.partitions.access_tokens, 7);
        verdict
    }

    #[tokio::test]
    async fn the_others_have_to_accept_and_the_one_says_that_it_cannot_know() {
        use Outcome::{Accepted, Lost, Refused, Unavailable, Unexpected};
        let verdict = judged(&[(0, 2, Accepted), (1, 2, Unavailable), (1, 2, Refused)]);
        assert!(verdict.holds(), "{verdict}");
        assert_eq!((verdict.met_a_fault, verdict.partitions.accepted_elsewhere), (0, 1));
        assert_eq!((verdict.partitions.attempts, verdict.partitions.longest_wait), (2, SECOND));

        for wrong in [Accepted, Lost, Refused, Unexpected] {
            let verdict = judged(&[(0, 2, Refused), (1, 2, wrong), (2, 2, Accepted)]);
            assert_eq!(verdict.partitions.wrong.len(), 1, "{verdict}");
            assert!(!verdict.holds(), "{wrong:?}");
        }
        for refused in [Refused, Unavailable, Lost] {
            let verdict = judged(&[(0, 2, refused), (1, 2, Unavailable)]);
            assert_eq!(verdict.not_accepted.len(), 1, "{verdict}");
            let elsewhere = judged(&[(0, 2, refused)]);
            assert_eq!(elsewhere.not_accepted.len(), 1, "{elsewhere}");
        }
    }

    #[tokio::test]
    async fn what_it_was_doing_when_the_partition_began_or_ended_is_excused() {
        use Outcome::{Accepted, Refused, Unavailable};
        for began in [0, 3, 4, 5] {
            let verdict = judged(&[(0, began, Refused), (1, began, Unavailable)]);
            let is_excused = began != 3;
            assert_eq!(verdict.not_accepted.is_empty(), is_excused, "{began}: {verdict}");
            assert_eq!(verdict.met_a_fault, usize::from(is_excused));
        }
        assert!(judged(&[(1, 0, Accepted)]).holds() && judged(&[(1, 4, Accepted)]).holds());
    }
}

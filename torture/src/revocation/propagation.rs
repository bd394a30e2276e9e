//! What was measured, and whether the promise was kept.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::load::Calls;
use super::victim::Revocation;

/// What is promised.
pub const BOUND: Duration = Duration::from_secs(1);

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Propagation {
    /// One for each revocation.
    pub acceptances: Vec<Acceptances>,
    /// What came of the other calls meanwhile.
    pub load: Calls,
    /// How many listening connections were cut.
    pub cuts: usize,
}

/// How long after the administrator's answer something was still accepted, anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptances {
    /// What was revoked.
    pub what: Revocation,
    /// When the last request was sent that was accepted; zero if none was after the answer.
    pub sent: Duration,
    /// When the last acceptance was received.
    pub received: Duration,
}

impl Acceptances {
    pub(super) fn none(what: Revocation) -> Self {
        Self { what, sent: Duration::ZERO, received: Duration::ZERO }
    }
}

impl Propagation {
    /// Those where a request was accepted that had been sent after the bound.
    pub fn late(&self) -> Vec<Acceptances> {
        self.later_than(BOUND)
    }

    /// The same with another bound.
    pub fn later_than(&self, bound: Duration) -> Vec<Acceptances> {
        self.acceptances.iter().copied().filter(|last| last.sent > bound).collect()
    }

    fn summary(&self, name: &str, of: fn(&Acceptances) -> Duration) -> String {
        let mut spans: Vec<_> = self.acceptances.iter().map(of).collect();
        spans.sort();
        let at = |percent: usize| {
            let rank = (spans.len() * percent).div_ceil(100).max(1) - 1;
            spans.get(rank).map_or(f64::NAN, |span| span.as_secs_f64() * 1e3)
        };
        let (least, median, p99, most) = (at(0), at(50), at(99), at(100));
        format!("  {name}: min {least:.1}, median {median:.1}, p99 {p99:.1}, max {most:.1} ms")
    }
}

impl fmt::Display for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut histogram = BTreeMap::<u128, usize>::new();
        let mut kinds = BTreeMap::<Revocation, usize>::new();
        for last in &self.acceptances {
            let millis = last.sent.as_micros().div_ceil(1000);
            let below = if millis == 0 { 0 } else { millis.next_power_of_two() };
            *histogram.entry(below).or_default() += 1;
            *kinds.entry(last.what).or_default() += 1;
        }
        let Calls { accepted, refused, other } = self.load;
        writeln!(f, "{} revocations: {kinds:?}", self.acceptances.len())?;
        writeln!(f, "load: {accepted} accepted, {refused} refused, {other} otherwise")?;
        writeln!(f, "listening connections cut: {}", self.cuts)?;
        writeln!(f, "from the administrator's answer to the last acceptance anywhere,")?;
        writeln!(f, "{}", self.summary("sent    ", |last| last.sent))?;
        writeln!(f, "{}", self.summary("received", |last| last.received))?;
        writeln!(f, "sent up to so many ms after the answer:")?;
        for (below, times) in histogram {
            writeln!(f, "  {below:>6}  {times:>5}  {}", "#".repeat(times.min(60)))?;
        }
        let late = self.late();
        writeln!(f, "{} accepted that were sent more than {BOUND:?} after it", late.len())?;
        late.iter().take(20).try_for_each(|last| writeln!(f, "  {last:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(millis: impl Iterator<Item = u64>) -> Propagation {
        let last = |millis| {
            let sent = Duration::from_millis(millis);
            let received = sent + Duration::from_secs(5);
            Acceptances { what: Revocation::PublicKey, sent, received }
        };
        let load = Calls { accepted: 1, refused: 0, other: 0 };
        Propagation { acceptances: millis.map(last).collect(), load, cuts: 0 }
    }

    #[test]
    fn what_counts_is_when_the_request_was_sent() {
        assert!(measured(0..=1000).late().is_empty(), "an answer may come late");
        assert_eq!(measured(1000..=1002).late().len(), 2);
    }

    #[test]
    fn ranks_are_of_the_sorted_spans() {
        let told = measured((1..=200).rev()).to_string();
        assert!(
            told.contains("sent    : min 1.0, median 100.0, p99 198.0, max 200.0 ms"),
            "{told}"
        );
        assert!(told.contains("     128     64  ####"), "{told}");
    }
}

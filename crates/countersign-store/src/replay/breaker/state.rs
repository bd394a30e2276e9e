//! When a circuit is open, as a function of what happened and of the time.

use tokio::time::Instant;

use super::BreakerLimits;

/// The circuit's state.
#[derive(Debug)]
pub(super) struct Breaker {
    limits: BreakerLimits,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Everything goes through; so many failures in a row.
    Closed { failures: u32 },
    /// Nothing goes through before `until`, then one use at a time.
    Open { until: Instant, reason: String, probing: bool },
}

/// How a use was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// As everything is.
    Normal,
    /// As the one that tries.
    Probe,
}

impl Breaker {
    pub(super) fn closed(limits: BreakerLimits) -> Self {
        Self { limits, state: State::Closed { failures: 0 } }
    }

    /// Whether a use may go through at this time, else the last failure.
    pub(super) fn ask(&mut self, now: Instant) -> Result<Pass, String> {
        match &mut self.state {
            State::Closed { .. } => Ok(Pass::Normal),
            State::Open { until, probing, .. } if now >= *until && !*probing => {
                *probing = true;
                Ok(Pass::Probe)
            }
            State::Open { reason, .. } => Err(reason.clone()),
        }
    }

    /// What [`ask`](Self::ask) would find, without asking: whoever sends uses only where
    /// they are taken must learn that one may try.
    pub(super) fn look(&self, now: Instant) -> Result<(), String> {
        match &self.state {
            State::Open { until, reason, .. } if now < *until => Err(reason.clone()),
            _ => Ok(()),
        }
    }

    /// The guard answered. Whether that closed the circuit.
    pub(super) fn succeeded(&mut self) -> bool {
        let was_open = matches!(self.state, State::Open { .. });
        self.state = State::Closed { failures: 0 };
        was_open
    }

    /// The guard did not answer. Whether that opened the circuit.
    pub(super) fn failed(&mut self, pass: Pass, failure: &str, now: Instant) -> bool {
        let opened = match &mut self.state {
            State::Closed { failures } => {
                *failures += 1;
                if *failures < self.limits.failures {
                    return false;
                }
                true
            }
            State::Open { .. } if pass == Pass::Probe => false,
            // It was let through before the circuit opened.
            State::Open { .. } => return false,
        };
        let until = now + self.limits.pause;
        self.state = State::Open { until, reason: failure.to_owned(), probing: false };
        opened
    }

    /// Nobody waited for the answer, or it says nothing of the guard's storage.
    pub(super) fn abandoned(&mut self, pass: Pass) {
        if let (State::Open { probing, .. }, Pass::Probe) = (&mut self.state, pass) {
            *probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    fn start() -> (Breaker, Instant) {
        let limits = BreakerLimits { failures: 3, pause: PAUSE };
        (Breaker::closed(limits), Instant::now())
    }

    fn open(breaker: &mut Breaker, now: Instant) {
        for opens in [false, false, true] {
            assert_eq!(breaker.ask(now), Ok(Pass::Normal));
            assert_eq!(breaker.failed(Pass::Normal, "gone", now), opens);
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_before() {
        let (mut breaker, now) = start();
        for _ in 0..10 {
            breaker.failed(Pass::Normal, "gone", now);
            breaker.failed(Pass::Normal, "gone", now);
            assert!(!breaker.succeeded());
        }
        open(&mut breaker, now);
        assert_eq!(breaker.ask(now), Err("gone".to_owned()));
        assert_eq!(breaker.look(now), Err("gone".to_owned()));
    }

    #[test]
    fn one_at_a_time_tries_and_the_first_answer_closes_it() {
        let (mut breaker, now) = start();
        open(&mut breaker, now);
        let later = now + PAUSE;
        assert_eq!(breaker.look(later), Ok(()));
        assert_eq!(breaker.ask(later), Ok(Pass::Probe));
        assert!(breaker.ask(later).is_err(), "one at a time");
        assert!(!breaker.failed(Pass::Probe, "still gone", later));
        assert_eq!(breaker.ask(later), Err("still gone".to_owned()));
        assert_eq!(breaker.ask(later + PAUSE), Ok(Pass::Probe));
        assert!(breaker.succeeded());
        assert_eq!(breaker.ask(later + PAUSE), Ok(Pass::Normal));
    }

    #[test]
    fn a_probe_that_nobody_waits_for_makes_room_for_another() {
        let (mut breaker, now) = start();
        open(&mut breaker, now);
        assert_eq!(breaker.ask(now + PAUSE), Ok(Pass::Probe));
        breaker.abandoned(Pass::Normal);
        assert!(breaker.ask(now + PAUSE).is_err());
        breaker.abandoned(Pass::Probe);
        assert_eq!(breaker.ask(now + PAUSE), Ok(Pass::Probe));
    }

    #[test]
    fn a_late_failure_from_before_prolongs_nothing() {
        let (mut breaker, now) = start();
        open(&mut breaker, now);
        breaker.failed(Pass::Normal, "late", now + PAUSE);
        assert_eq!(breaker.ask(now + PAUSE), Ok(Pass::Probe));
    }
}

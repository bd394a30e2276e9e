//! Which faults happen when: all of it follows from the seed.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use crate::partition::Healing;
use crate::plan::Plan;

/// So a server that is cut off has given up, and does not know whether that will ever change.
const LONGER_THAN_ANY_USE_WAITS: Duration = Duration::from_millis(1500);

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A server ends as by `kill -9`, and is started again.
    Kill,
    /// A server is told to stop, lets requests finish, and is started again.
    Upgrade,
    /// A server does nothing for a while.
    Pause(Duration),
    /// All connections to a server break.
    Cut,
    /// The network in front of a server is slow for a while.
    Slow(Duration),
    /// A server's clock is wrong by so many seconds for a while, and then right again.
    ClockStep(i64),
    /// The server that remembers spent nonces ends as by `kill -9`, and is started again.
    KillEngine,
    /// It does nothing for a while.
    PauseEngine(Duration),
    /// A server, and none but this, is cut from the one that remembers spent nonces.
    Partition(Duration, Healing),
}

/// A fault, whom it meets, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scheduled {
    /// How many tokens were made before.
    pub(crate) after_tokens: u32,
    /// The number of the replica.
    pub(crate) replica: usize,
    pub(crate) fault: Fault,
}

/// Draws the faults of a plan, spread over its tokens: all kinds, in any order, before one
/// comes again.
pub(crate) fn draw(plan: &Plan) -> Vec<Scheduled> {
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    let stretch = plan.tokens / (plan.faults + 1);
    let mut kinds = Vec::new();
    let scheduled = |number| {
        let jitter = random.next_u32() % (stretch / 2).max(1);
        if kinds.is_empty() {
            kinds = (0..if plan.engine.is_a_server() { 9 } else { 6 }).collect();
        }
        let kind = kinds.swap_remove(random.next_u32() as usize % kinds.len());
        Scheduled {
            after_tokens: stretch * (number + 1) - jitter,
            replica: random.next_u32() as usize % plan.engine.replicas(),
            fault: fault(kind, plan, &mut random),
        }
    };
    (0..plan.faults).map(scheduled).collect()
}

fn fault(kind: u32, plan: &Plan, random: &mut ChaCha8Rng) -> Fault {
    let short = Duration::from_millis(u64::from(50 + random.next_u32() % 950));
    match kind {
        0 if plan.kills() => Fault::Kill,
        1 if plan.kills() => Fault::Upgrade,
        0..=2 => Fault::Pause(short),
        3 => Fault::Cut,
        4 => Fault::ClockStep(clock_step(random)),
        5 => Fault::Slow(short / 4),
        6 => Fault::KillEngine,
        7 => Fault::PauseEngine(short * 2),
        _ => Fault::Partition(LONGER_THAN_ANY_USE_WAITS + short, healing(random)),
    }
}

fn healing(random: &mut ChaCha8Rng) -> Healing {
    if random.next_u32().is_multiple_of(2) { Healing::GoesOn } else { Healing::Breaks }
}

/// Within the window, beyond it, or, rarely, so far that what was spent could be forgotten.
fn clock_step(random: &mut ChaCha8Rng) -> i64 {
    let far = if random.next_u32().is_multiple_of(4) { 3 } else { 1 };
    let ahead = if random.next_u32().is_multiple_of(2) { 1 } else { -1 };
    ahead * far * i64::from(1 + random.next_u32() % 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Engine;

    #[test]
    fn a_seed_says_everything_and_every_fault_comes_up() {
        let plan = |seed| Plan {
            engine: Engine::Redis,
            tokens: 100_000,
            faults: 1_000,
            seed,
            kill_all: false,
        };
        let drawn = draw(&plan(7));
        assert_eq!(drawn, draw(&plan(7)));
        assert_ne!(drawn, draw(&plan(8)));
        assert!(drawn.is_sorted_by_key(|scheduled| scheduled.after_tokens));
        assert!(drawn.iter().all(|scheduled| scheduled.after_tokens < 100_000));
        let has = |is: fn(&Fault) -> bool| drawn.iter().any(|scheduled| is(&scheduled.fault));
        assert!(has(|fault| *fault == Fault::Kill) && has(|fault| *fault == Fault::Upgrade));
        assert!(has(|fault| *fault == Fault::Cut) && has(|fault| *fault == Fault::KillEngine));
        assert!(has(|fault| matches!(fault, Fault::PauseEngine(_))));
        assert!(has(|fault| matches!(fault, Fault::Partition(_, Healing::GoesOn))));
        assert!(has(|fault| matches!(fault, Fault::Partition(_, Healing::Breaks))));
        assert!(has(|fault| matches!(fault, Fault::Pause(_))));
        assert!(has(|fault| matches!(fault, Fault::ClockStep(..-8))));
        assert!(has(|fault| matches!(fault, Fault::ClockStep(16..))));
        assert!(has(|fault| matches!(fault, Fault::Slow(_))));
    }

    #[test]
    fn a_short_plan_has_every_kind() {
        for seed in 0..20 {
            let plan =
                Plan { engine: Engine::Postgres, tokens: 10_000, faults: 9, seed, kill_all: false };
            let kind = |scheduled: &Scheduled| std::mem::discriminant(&scheduled.fault);
            let kinds: std::collections::HashSet<_> = draw(&plan).iter().map(kind).collect();
            assert_eq!(kinds.len(), 9, "{seed}");
        }
    }

    #[test]
    fn nothing_is_killed_that_promises_nothing_about_it() {
        let mut plan =
            Plan { engine: Engine::Memory, tokens: 10_000, faults: 100, seed: 1, kill_all: false };
        let kills = |scheduled: &Scheduled| matches!(scheduled.fault, Fault::Kill | Fault::Upgrade);
        assert!(!draw(&plan).iter().any(kills));
        plan.kill_all = true;
        assert!(draw(&plan).iter().any(kills), "unless that is what is wanted");
    }
}

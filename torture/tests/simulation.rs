//! Exactly once in simulations that each follow from a seed; and that they find guards which
//! are broken.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use countersign_torture::{Flaw, Simulation, simulate};

/// How many runs the promises are tried in.
const RUNS: u64 = 40;
/// In how many runs at most a broken guard is found.
const FOUND_IN: u64 = 24;

#[test]
fn exactly_once_whatever_breaks() -> Result<()> {
    let mut kinds = BTreeMap::<String, usize>::new();
    let mut without_a_fault = 0;
    for seed in 0..RUNS {
        let simulated = simulate(&Simulation::of(seed))?;
        println!("{simulated}");
        let verdict = &simulated.verdict;
        ensure!(verdict.holds(), "{simulated}");
        // Or it would say little about either promise.
        ensure!(verdict.met_a_fault > 0 && verdict.accepted > 0, "{simulated}");
        without_a_fault += verdict.tokens - verdict.met_a_fault;
        for (kind, count) in &verdict.kinds {
            *kinds.entry(kind.clone()).or_default() += count;
        }
    }
    println!("{without_a_fault} tokens met no fault; {kinds:?}");
    ensure!(without_a_fault > 1_000, "{without_a_fault} tokens met no fault");
    ensure!(kinds.len() == 8, "every kind of fault comes up: {kinds:?}");
    Ok(())
}

/// Callers whose clocks are ahead have tokens that live longest behind a loss.
#[test]
fn exactly_once_though_the_engine_forgets_and_clocks_differ() -> Result<()> {
    for seed in 0..RUNS / 2 {
        let plan = Simulation { faults: 3, only_losses: true, ..Simulation::of(seed) };
        let simulated = simulate(&plan)?;
        ensure!(simulated.verdict.holds(), "{simulated}");
    }
    Ok(())
}

#[test]
fn nothing_is_refused_while_nothing_breaks() -> Result<()> {
    for seed in 0..4 {
        let simulated = simulate(&Simulation { faults: 0, ..Simulation::of(seed) })?;
        let verdict = &simulated.verdict;
        ensure!(verdict.holds() && verdict.met_a_fault == 0, "{simulated}");
        ensure!(verdict.accepted > verdict.tokens * 2 / 3, "{simulated}");
    }
    Ok(())
}

#[test]
fn a_seed_says_everything() -> Result<()> {
    for seed in [7, 11] {
        let (first, second) = (simulate(&Simulation::of(seed))?, simulate(&Simulation::of(seed))?);
        assert_eq!(first.events, second.events);
        let other = simulate(&Simulation::of(seed + 1))?;
        ensure!(first.events != other.events, "{seed}");
    }
    Ok(())
}

#[test]
fn a_guard_that_asks_and_then_writes_is_found() -> Result<()> {
    is_found(Flaw::AsksThenWrites)
}

#[test]
fn an_engine_that_forgets_and_does_not_tell_is_found() -> Result<()> {
    is_found(Flaw::ForgetsSilently)
}

#[test]
fn uses_that_are_remembered_without_a_margin_are_found() -> Result<()> {
    is_found(Flaw::ForgetsEarly)
}

fn is_found(flaw: Flaw) -> Result<()> {
    for seed in 0..FOUND_IN {
        let verdict = simulate(&Simulation { flaw, ..Simulation::of(seed) })?.verdict;
        if !verdict.accepted_more_than_once.is_empty() {
            return Ok(());
        }
    }
    anyhow::bail!("{flaw:?} was not found in {FOUND_IN} runs")
}

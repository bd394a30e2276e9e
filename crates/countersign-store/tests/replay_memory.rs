//! What a million live nonces cost, by the wheel's own account and by the
//! operating system's. A test binary of its own: nothing else may allocate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "replay/support.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use countersign_core::Clock;
use countersign_store::replay::{ReplayLimits, ReplayWheel};
use support::{FixedRandom, ManualClock, NOON, account, spend};

const LIVE: u64 = 1_000_000;
const BOUND: usize = 40;

/// Resident bytes of this process. Pages are 4 KiB or larger, so on a system
/// with larger ones this shows too little, and the wheel's own account decides.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Spends `LIVE` nonces evenly over 30 seconds; all are live at the end.
fn fill(wheel: &ReplayWheel, clock: &ManualClock, first: u64) {
    let accounts: Vec<_> = (0..1000).map(|number| account(&format!("device {number}"))).collect();
    let step = Duration::from_micros(30_000_000 / LIVE);
    for (number, account) in (first..first + LIVE).zip(accounts.iter().cycle()) {
        wheel.record(&spend(account, number, clock.now())).unwrap();
        clock.advance(step);
    }
}

#[test]
fn a_million_live_nonces_cost_less_than_40_bytes_each() {
    let clock = Arc::new(ManualClock::at(NOON));
    let before = resident_bytes();
    let wheel = ReplayWheel::new(ReplayLimits::default(), clock.clone(), &FixedRandom);
    fill(&wheel, &clock, 0);
    assert_eq!(wheel.sweep(), 0, "all of them are live");
    let count = usize::try_from(LIVE).unwrap();
    assert_eq!(wheel.len(), count);
    let (counted, resident) = (wheel.memory_bytes(), resident_bytes() - before);
    println!("per live nonce: {} counted, {} resident", counted / count, resident / count);
    assert!(counted < BOUND * count, "{counted} bytes counted");
    assert!(resident < BOUND * count, "{resident} bytes resident");

    // In a steady state slots are made to measure; expired ones have gone.
    for round in 1..4 {
        fill(&wheel, &clock, round * LIVE);
        println!("steady: {} counted, {} uses", wheel.memory_bytes() / count, wheel.len());
        assert!(wheel.memory_bytes() < BOUND * count, "{} bytes counted", wheel.memory_bytes());
        assert!(wheel.len() < count + count / 4, "{} uses held", wheel.len());
    }
    clock.advance(Duration::from_mins(1));
    wheel.sweep();
    assert!(wheel.is_empty());
    assert!(wheel.memory_bytes() < 64 << 10, "{} bytes when idle", wheel.memory_bytes());
}

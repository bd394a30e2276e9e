//! What every replay guard must do, as one function to run against any.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{GuardError, ReplayGuard, ReplayKey, Spend};
use countersign_core::{AccountName, UnixTime};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// How many tasks fire one token at once.
pub const TASKS: usize = 64;
/// Half the window in which the suite's tokens may lie.
const TOLERANCE: Duration = Duration::from_secs(20);
const MICROSECOND: Duration = Duration::from_micros(1);

/// A guard that must prove itself.
#[derive(Clone)]
pub struct Candidate {
    /// The guard.
    pub guard: Arc<dyn ReplayGuard>,
    /// The instant at which the guard's clock stands while the suite runs.
    pub now: UnixTime,
    /// The account whose uses are recorded; its share must hold one for each
    /// round and a few more.
    pub account: AccountName,
    /// Sets this run's tokens apart from those of others in the same storage.
    pub run: u32,
}

/// Runs the whole suite. In each of `rounds`, [`TASKS`] tasks fire one token at
/// once.
///
/// # Panics
/// If the guard does not do what every guard must; the message says what.
pub async fn check(candidate: &Candidate, rounds: u32) {
    accepts_a_use_once(candidate).await;
    tells_uses_apart_by_every_byte(candidate).await;
    checks_the_window_edges_included(candidate).await;
    knows_a_use_again_under_another_tolerance(candidate).await;
    let mut accepted = 0;
    for round in 0..rounds {
        accepted += fire_at_once(candidate, candidate.key(1, round)).await;
    }
    assert_eq!(accepted, rounds, "{TASKS} tasks fired one token at once, {rounds} times");
}

async fn accepts_a_use_once(candidate: &Candidate) {
    let key = candidate.key(0, 0);
    let now = candidate.now;
    assert_eq!(candidate.spend(key, now).await, Ok(()), "a fresh use");
    for _ in 0..3 {
        assert_eq!(candidate.spend(key, now).await, Err(GuardError::Replayed), "a replay");
    }
}

async fn tells_uses_apart_by_every_byte(candidate: &Candidate) {
    let base = *candidate.key(0, 1).as_bytes();
    for byte in 8..16 {
        let mut other = base;
        other[byte] ^= 0x80;
        let key = ReplayKey::from_bytes(other);
        assert_eq!(candidate.spend(key, candidate.now).await, Ok(()), "byte {byte} differs");
    }
}

async fn checks_the_window_edges_included(candidate: &Candidate) {
    let now = candidate.now;
    let outside = [now - TOLERANCE - MICROSECOND, now + TOLERANCE + MICROSECOND];
    for (number, time) in (0..).zip(outside) {
        let outcome = candidate.spend(candidate.key(2, number), time).await;
        assert_eq!(outcome, Err(GuardError::OutsideWindow), "{time} is outside at {now}");
    }
    for (number, time) in (0..).zip([now - TOLERANCE, now + TOLERANCE]) {
        // The same keys: what was refused as outside the window is not spent.
        let key = candidate.key(2, number);
        assert_eq!(candidate.spend(key, time).await, Ok(()), "{time} is inside at {now}");
        assert_eq!(candidate.spend(key, time).await, Err(GuardError::Replayed), "at the edge");
    }
}

async fn knows_a_use_again_under_another_tolerance(candidate: &Candidate) {
    let spend = candidate.spend_of(candidate.key(3, 0), candidate.now);
    assert_eq!(candidate.guard.spend(spend).await, Ok(()));
    let wider = Spend { tolerance: TOLERANCE * 30, ..spend };
    assert_eq!(candidate.guard.spend(wider).await, Err(GuardError::Replayed), "a wider window");
}

/// Lets [`TASKS`] tasks spend one key at once and counts the acceptances.
///
/// # Panics
/// If a task gets any other answer than acceptance or a replay.
pub async fn fire_at_once(candidate: &Candidate, key: ReplayKey) -> u32 {
    let start = Arc::new(Barrier::new(TASKS));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (candidate, start) = (candidate.clone(), Arc::clone(&start));
        tasks.spawn(async move {
            start.wait().await;
            candidate.spend(key, candidate.now).await
        });
    }
    let mut accepted = 0;
    for outcome in tasks.join_all().await {
        match outcome {
            Ok(()) => accepted += 1,
            Err(GuardError::Replayed) => {}
            Err(other) => panic!("neither accepted nor a replay: {other}"),
        }
    }
    accepted
}

impl Candidate {
    /// A key of this run; `case` keeps the suite's own keys and others apart.
    pub fn key(&self, case: u32, number: u32) -> ReplayKey {
        let [run, case, number] = [self.run, case, number].map(u32::to_be_bytes);
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&run);
        bytes[4..8].copy_from_slice(&case);
        bytes[8..12].copy_from_slice(&number);
        ReplayKey::from_bytes(bytes)
    }

    /// Spends a key by a token of this time.
    ///
    /// # Errors
    /// What the guard answers.
    pub async fn spend(&self, key: ReplayKey, time: UnixTime) -> Result<(), GuardError> {
        self.guard.spend(self.spend_of(key, time)).await
    }

    fn spend_of(&self, key: ReplayKey, time: UnixTime) -> Spend<'_> {
        Spend { key, account: &self.account, time, tolerance: TOLERANCE }
    }
}

//! The durable guard over a journal that misbehaves, and over a restart.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::UnixTime;
use countersign_core::ports::{GuardError, ReplayGuard};
use countersign_store::replay::conformance::{self, Candidate};
use countersign_store::replay::{DurableReplayGuard, JournalLimits, NonceJournal, ReplayLimits};
use tokio::task::JoinSet;

use crate::memory_journal::{Health, MemoryJournal};
use crate::support::{FixedRandom, ManualClock, NOON, TOLERANCE, account, spend};

const SECOND: Duration = Duration::from_secs(1);

struct Fixture {
    journal: Arc<MemoryJournal>,
    clock: Arc<ManualClock>,
    limits: JournalLimits,
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(NOON));
        Self { journal: MemoryJournal::new(), clock, limits: JournalLimits::default() }
    }

    async fn open(&self) -> Arc<DurableReplayGuard> {
        let journal: Arc<dyn NonceJournal> = self.journal.clone();
        let limits = (ReplayLimits::default(), self.limits);
        let guard = DurableReplayGuard::open(journal, limits, self.clock.clone(), &FixedRandom);
        Arc::new(guard.await.unwrap())
    }
}

async fn spend_at(
    guard: &DurableReplayGuard,
    number: u64,
    time: UnixTime,
) -> Result<(), GuardError> {
    guard.spend(spend(&account("a"), number, time)).await
}

/// Spends `numbers` at once, each in a task that has got as far as it can when
/// this returns. On a runtime of one thread, yielding lets every task run.
async fn spend_in_tasks(
    guard: &Arc<DurableReplayGuard>,
    numbers: impl Iterator<Item = u64>,
) -> JoinSet<Result<(), GuardError>> {
    let mut tasks = JoinSet::new();
    for number in numbers {
        let guard = Arc::clone(guard);
        tasks.spawn(async move { spend_at(&guard, number, NOON).await });
    }
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    tasks
}

fn is_unavailable(outcome: &Result<(), GuardError>) -> bool {
    matches!(outcome, Err(GuardError::Unavailable(_)))
}

#[tokio::test]
async fn conforms() {
    let guard = Fixture::new().open().await;
    conformance::check(&Candidate { guard, now: NOON, account: account("a"), run: 1 }, 50).await;
}

#[tokio::test]
async fn what_was_used_stays_used_after_a_restart() {
    let fixture = Fixture::new();
    assert_eq!(spend_at(&*fixture.open().await, 1, NOON).await, Ok(()));
    let guard = fixture.open().await;
    assert_eq!(spend_at(&guard, 1, NOON).await, Err(GuardError::Replayed));
    assert_eq!(spend_at(&guard, 2, NOON).await, Ok(()));
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_opens_no_guard() {
    let fixture = Fixture::new();
    fixture.journal.set(Health::Fails);
    let journal: Arc<dyn NonceJournal> = fixture.journal.clone();
    let limits = (ReplayLimits::default(), fixture.limits);
    let opened = DurableReplayGuard::open(journal, limits, fixture.clock, &FixedRandom).await;
    assert!(opened.is_err());
}

#[tokio::test]
async fn a_failed_write_refuses_and_the_next_one_recovers() {
    let fixture = Fixture::new();
    let guard = fixture.open().await;
    fixture.journal.set(Health::Fails);
    assert!(is_unavailable(&spend_at(&guard, 1, NOON).await));
    assert!(is_unavailable(&guard.check().await));
    fixture.journal.set(Health::Works);
    assert_eq!(spend_at(&guard, 1, NOON).await, Err(GuardError::Replayed), "it stays spent");
    assert_eq!(spend_at(&guard, 2, NOON).await, Ok(()));
    assert_eq!(guard.check().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_nobody_asks_after_a_failure_is_tried_again() {
    let fixture = Fixture::new();
    let guard = fixture.open().await;
    fixture.journal.set(Health::Fails);
    assert!(is_unavailable(&spend_at(&guard, 1, NOON).await));
    assert!(is_unavailable(&guard.check().await));
    // The runtime's clock is paused: it moves on because nobody else has work.
    tokio::time::sleep(ReplayLimits::default().slot * 2).await;
    assert_eq!(guard.check().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_hangs_is_waited_for_no_longer_than_the_limit() {
    let fixture = Fixture::new();
    let guard = fixture.open().await;
    fixture.journal.set(Health::Hangs);
    let started = tokio::time::Instant::now();
    assert!(is_unavailable(&spend_at(&guard, 1, NOON).await));
    // The runtime's clock is paused: it moves only where everybody waits for it.
    assert_eq!(started.elapsed(), fixture.limits.commit);
    fixture.journal.set(Health::Works);
    assert_eq!(spend_at(&guard, 1, NOON).await, Err(GuardError::Replayed));
    assert_eq!(spend_at(&guard, 2, NOON).await, Ok(()));
}

#[tokio::test]
async fn all_who_wait_for_a_commit_share_the_next_one() {
    let fixture = Fixture::new();
    let guard = fixture.open().await;
    fixture.journal.set(Health::Hangs);
    let mut first = spend_in_tasks(&guard, 0..1).await;
    let others = spend_in_tasks(&guard, 1..65).await;
    fixture.journal.set(Health::Works);
    assert_eq!(first.join_next().await.unwrap().unwrap(), Ok(()));
    assert!(others.join_all().await.iter().all(Result::is_ok));
    assert_eq!(fixture.journal.batch_sizes(), [1, 64]);
}

#[tokio::test]
async fn one_acceptance_also_while_the_first_caller_still_waits() {
    let fixture = Fixture::new();
    let guard = fixture.open().await;
    fixture.journal.set(Health::Hangs);
    let mut first = spend_in_tasks(&guard, 1..2).await;
    assert_eq!(spend_at(&guard, 1, NOON).await, Err(GuardError::Replayed));
    fixture.journal.set(Health::Works);
    assert_eq!(first.join_next().await.unwrap().unwrap(), Ok(()));
}

#[tokio::test]
async fn a_full_queue_refuses_and_spends_nothing() {
    let limits = JournalLimits { queue: 2, batch: 1, ..JournalLimits::default() };
    let fixture = Fixture { limits, ..Fixture::new() };
    let guard = fixture.open().await;
    fixture.journal.set(Health::Hangs);
    // One is being written, then two fill the queue.
    let first = spend_in_tasks(&guard, 0..1).await;
    let waiting = spend_in_tasks(&guard, 1..3).await;
    assert!(is_unavailable(&spend_at(&guard, 3, NOON).await));
    fixture.journal.set(Health::Works);
    assert_eq!(first.join_all().await, [Ok(())]);
    assert_eq!(waiting.join_all().await, [Ok(()), Ok(())]);
    assert_eq!(spend_at(&guard, 3, NOON).await, Ok(()), "it was not spent");
}

#[tokio::test]
async fn a_caller_that_goes_away_has_spent_its_token_and_it_is_written() {
    let fixture = Fixture::new();
    let guard = fixture.open().await;
    fixture.journal.set(Health::Hangs);
    let mut gone = spend_in_tasks(&guard, 1..2).await;
    gone.shutdown().await;
    fixture.journal.set(Health::Works);
    assert_eq!(spend_at(&guard, 1, NOON).await, Err(GuardError::Replayed));
    // Written before the next one, so it is there when that is accepted.
    assert_eq!(spend_at(&guard, 2, NOON).await, Ok(()));
    let guard = fixture.open().await;
    assert_eq!(spend_at(&guard, 1, NOON).await, Err(GuardError::Replayed));
}

#[tokio::test(start_paused = true)]
async fn expired_batches_are_deleted_and_their_tokens_stay_refused() {
    let fixture = Fixture::new();
    let guard = fixture.open().await;
    for number in 0..10 {
        assert_eq!(spend_at(&guard, number, NOON).await, Ok(()));
    }
    fixture.clock.advance(60 * SECOND);
    // Nobody calls; the guard tidies up by itself.
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(fixture.journal.batch_sizes(), [0; 0]);
    assert!(guard.wheel().is_empty());

    // Then the clock is put right, which had been ahead, and the process starts anew.
    fixture.clock.set(NOON);
    let guard = fixture.open().await;
    assert_eq!(spend_at(&guard, 1, NOON).await, Err(GuardError::OutsideWindow));
    assert_eq!(spend_at(&guard, 1, NOON + TOLERANCE).await, Ok(()));
}

#[tokio::test]
async fn expired_batches_that_were_not_deleted_stay_refused_too() {
    let fixture = Fixture::new();
    assert_eq!(spend_at(&*fixture.open().await, 1, NOON).await, Ok(()));
    fixture.clock.advance(60 * SECOND);
    let guard = fixture.open().await;
    assert!(guard.wheel().is_empty(), "expired uses are not taken over");
    fixture.clock.set(NOON);
    assert_eq!(spend_at(&guard, 1, NOON).await, Err(GuardError::OutsideWindow));
    assert_eq!(spend_at(&guard, 2, NOON + SECOND).await, Ok(()));
}

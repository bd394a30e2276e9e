//! The guards against a model that remembers everything for ever.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::UnixTime;
use countersign_core::ports::{GuardError, NONCE_RETENTION_MARGIN, ReplayGuard as _, Spend};
use countersign_store::replay::{DurableReplayGuard, JournalLimits, ReplayLimits, ReplayWheel};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::memory_journal::MemoryJournal;
use crate::support::{FixedRandom, ManualClock, NOON, account, key};

const CAPACITY: usize = 24;
const SLOT: Duration = Duration::from_secs(5);
const LIMITS: ReplayLimits = ReplayLimits { capacity: CAPACITY, share: CAPACITY, slot: SLOT };
const MAX_TOLERANCE: Duration = Duration::from_mins(1);

#[derive(Clone, Debug)]
enum Step {
    /// Moves the clock by this many milliseconds, mostly a little ahead.
    Move(i64),
    /// Shows the token `number`, whose time is fixed by its number, `offset`
    /// milliseconds from the clock when it is first shown.
    Show {
        number: u64,
        offset: i64,
        tolerance: u64,
    },
    Sweep,
    /// Ends the process and starts another, where the guard survives that.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let jump = prop_oneof![
        6 => 0..4_000_i64,
        2 => -4_000..0_i64,
        1 => -120_000..120_000_i64,
    ];
    let offset = prop_oneof![
        4 => -20_000..=20_000_i64,
        1 => Just(-20_000_i64),
        1 => Just(20_000_i64),
        1 => -70_000..70_000_i64,
    ];
    let tolerance = prop_oneof![4 => Just(20), 1 => Just(60), 1 => Just(5)];
    prop_oneof![
        3 => jump.prop_map(Step::Move),
        8 => (0..60_u64, offset, tolerance)
            .prop_map(|(number, offset, tolerance)| Step::Show { number, offset, tolerance }),
        1 => Just(Step::Sweep),
        1 => Just(Step::Restart),
    ]
}

/// What the model knows of a token.
struct Shown {
    time: UnixTime,
    /// The instants up to which each acceptance must be remembered.
    accepted: Option<UnixTime>,
}

fn offset(time: UnixTime, millis: i64) -> UnixTime {
    UnixTime::from_micros(time.as_micros() + millis * 1000)
}

struct Model {
    shown: HashMap<u64, Shown>,
    /// The latest instant the clock ever showed.
    latest: UnixTime,
}

impl Model {
    /// Whether the answer is one that the rules allow.
    fn judge(&mut self, number: u64, spend: &Spend<'_>, now: UnixTime, answer: &Answer) {
        let inside = (now - spend.tolerance..=now + spend.tolerance).contains(&spend.time);
        let accepted = self.shown[&number].accepted;
        match answer {
            Ok(()) => {
                assert!(inside, "accepted outside the window");
                assert_eq!(accepted, None, "accepted twice");
                let until = spend.remember_until();
                self.shown.entry(number).and_modify(|shown| shown.accepted = Some(until));
            }
            Err(GuardError::Replayed) => {
                assert!(inside && accepted.is_some(), "taken for a replay");
            }
            Err(GuardError::OutsideWindow) if inside => {
                // Only where the clock had been so far ahead that a slot of that
                // time could be dropped.
                let least = Duration::from_secs(5) + NONCE_RETENTION_MARGIN;
                assert!(spend.time + least < self.latest + SLOT, "refused without need");
            }
            Err(GuardError::OutsideWindow) => {}
            Err(GuardError::Full) => {
                assert!(inside && accepted.is_none());
                // Uses are held until the last of their slot has expired, and
                // slots until those before them are gone.
                let longer = SLOT + 2 * MAX_TOLERANCE;
                let held =
                    |shown: &&Shown| shown.accepted.is_some_and(|until| until + longer >= now);
                assert!(self.shown.values().filter(held).count() >= CAPACITY, "not full");
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn live(&self, now: UnixTime) -> usize {
        self.shown.values().filter(|shown| shown.accepted.is_some_and(|until| until >= now)).count()
    }
}

type Answer = Result<(), GuardError>;

/// A guard that the model judges.
trait Subject {
    fn spend(&mut self, spend: &Spend<'_>) -> Answer;
    fn restart(&mut self);
    fn wheel(&self) -> &ReplayWheel;
}

impl Subject for ReplayWheel {
    fn spend(&mut self, spend: &Spend<'_>) -> Answer {
        self.record(spend)
    }

    /// Nothing of it would be left.
    fn restart(&mut self) {}

    fn wheel(&self) -> &ReplayWheel {
        self
    }
}

struct Durable {
    runtime: Runtime,
    journal: Arc<MemoryJournal>,
    clock: Arc<ManualClock>,
    guard: DurableReplayGuard,
}

impl Durable {
    fn new(clock: Arc<ManualClock>) -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let journal = MemoryJournal::new();
        let guard = Self::open(&runtime, &journal, &clock);
        Self { runtime, journal, clock, guard }
    }

    fn open(
        runtime: &Runtime,
        journal: &Arc<MemoryJournal>,
        clock: &Arc<ManualClock>,
    ) -> DurableReplayGuard {
        let limits = (LIMITS, JournalLimits::default());
        let open = DurableReplayGuard::open(journal.clone(), limits, clock.clone(), &FixedRandom);
        runtime.block_on(open).unwrap()
    }
}

impl Subject for Durable {
    fn spend(&mut self, spend: &Spend<'_>) -> Answer {
        self.runtime.block_on(self.guard.spend(*spend))
    }

    /// The runtime goes with all its tasks, wherever they are.
    fn restart(&mut self) {
        self.runtime = Builder::new_current_thread().enable_time().build().unwrap();
        self.guard = Self::open(&self.runtime, &self.journal, &self.clock);
    }

    fn wheel(&self) -> &ReplayWheel {
        self.guard.wheel()
    }
}

/// Runs the steps and checks each answer.
fn run(steps: Vec<Step>, clock: &ManualClock, subject: &mut dyn Subject) {
    let name = account("a");
    let mut model = Model { shown: HashMap::new(), latest: NOON };
    let mut now = NOON;
    for step in steps {
        match step {
            Step::Move(millis) => {
                now = offset(now, millis);
                clock.set(now);
                model.latest = model.latest.max(now);
            }
            Step::Show { number, offset: millis, tolerance } => {
                let fresh = || Shown { time: offset(now, millis), accepted: None };
                let time = model.shown.entry(number).or_insert_with(fresh).time;
                let tolerance = Duration::from_secs(tolerance);
                let spend = Spend { key: key(number), account: &name, time, tolerance };
                model.judge(number, &spend, now, &subject.spend(&spend));
            }
            Step::Sweep => {
                subject.wheel().sweep();
            }
            Step::Restart => subject.restart(),
        }
        assert!(subject.wheel().len() <= CAPACITY);
        // After the clock was ahead, less may be held than a model that does not
        // know of it would think.
        if now == model.latest {
            assert!(subject.wheel().len() >= model.live(now), "a live use was forgotten");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_wheel_never_accepts_twice_and_refuses_only_for_a_reason(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let clock = Arc::new(ManualClock::at(NOON));
        run(steps, &clock, &mut ReplayWheel::new(LIMITS, clock.clone(), &FixedRandom));
    }

    #[test]
    fn nor_does_the_durable_guard_through_any_number_of_restarts(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let clock = Arc::new(ManualClock::at(NOON));
        run(steps, &clock, &mut Durable::new(clock.clone()));
    }
}

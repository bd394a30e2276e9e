//! Many live nonces in a guard: what memory they take, and how long requests wait while they
//! expire.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use countersign_core::ports::{ReplayGuard, ReplayKey, Spend};
use countersign_core::{AccountName, Clock as _};
use countersign_store::replay::{
    DurableReplayGuard, JournalLimits, ReplayLimits, ReplayWheel, SqlJournal,
};
use countersign_store::{Durability, SqliteFile};
use countersign_system::SystemRandom;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::clock::{Opening, Running};
use crate::engines::{Engine, Kind};
use crate::shared_guards;
use crate::tokens::account;

/// How many enter nonces at once: enough for any guard's groups.
const FILLERS: usize = 512;
/// How many accounts they are of.
const ACCOUNTS: usize = 1_000;
/// Requests a second while nonces are live, and while they expire.
const PACE: u32 = 500;
/// A timer is as exact as this: a request that begins later has waited for us.
const TIMER: Duration = Duration::from_millis(3);
/// For how long requests are measured before anything expires.
const AT_REST: Duration = Duration::from_secs(5);
/// After that nothing expires any more that was not forgotten.
const PATIENCE: Duration = Duration::from_mins(10);
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// So many are counted one by one to see whether they are gone.
const FEW: usize = 100_000;

/// Which guard holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// In process.
    Memory,
    /// In process, journalled in SQLite.
    Durable,
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Which guard holds the nonces.
    pub holder: Holder,
    /// How many.
    pub nonces: usize,
    /// How far a token's time may lie from now. They live for 10 s more.
    pub tolerance: Duration,
    /// How many times as fast the guard's clock runs. Redis goes by its own.
    pub clock_runs: u32,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// How long it took to enter all.
    pub filled_in: Duration,
    /// The engine's CPU time for that.
    pub filled_for: Duration,
    /// How many the guard held then.
    pub held: u64,
    /// How many it held at the end, and how many of those that came in the meantime it may hold.
    pub left: (u64, u64),
    /// Bytes of this process: before, with all of them, at the end.
    pub process: [u64; 3],
    /// The engine's data, likewise; zero if there is none.
    pub data: [u64; 3],
    /// The engine's processes, likewise.
    pub engine: [u64; 3],
    /// How long requests waited before anything expired.
    pub at_rest: Waits,
    /// How long they waited while it did.
    pub expiring: Waits,
}

/// How long requests waited for the guard.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// Requests.
    pub requests: usize,
    /// Half of them waited no longer.
    pub median: Duration,
    /// One of a hundred waited longer.
    pub p99: Duration,
    /// The longest.
    pub worst: Duration,
}

/// Fills a guard, and asks it steadily until all that was filled in is gone.
///
/// # Errors
/// If the guard refuses something, or forgets or keeps what it must not.
pub async fn measure(plan: Plan) -> anyhow::Result<Measured> {
    let filled = Filled::with(plan).await?;
    let full = filled.bytes().await?;
    let at_rest = filled.ask_for(AT_REST).await?;
    let spent_before = filled.numbers.load(Ordering::Relaxed);
    let mut waits = Vec::new();
    let expiring = async {
        loop {
            waits.extend(filled.ask_for(BETWEEN_LOOKS).await?);
            // Whatever else is held came since.
            let since = filled.numbers.load(Ordering::Relaxed) - plan.nonces;
            if filled.held_about().await? <= since as u64 {
                return anyhow::Ok(since);
            }
        }
    };
    let since = timeout(PATIENCE, expiring).await.context("not all that expired is gone")??;
    ensure!(spent_before >= plan.nonces, "some were not spent");
    let left = (filled.held().await?, since as u64);
    let after = filled.bytes().await?;
    let three = |index: usize| [filled.empty[index], full[index], after[index]];
    Ok(Measured {
        filled_in: filled.took,
        filled_for: filled.cost,
        held: filled.held_when_full,
        left,
        process: three(0),
        data: three(1),
        engine: three(2),
        at_rest: Waits::of(at_rest),
        expiring: Waits::of(waits),
    })
}

/// A guard with its nonces.
struct Filled {
    guard: Arc<dyn ReplayGuard>,
    engine: Option<Engine>,
    clock: Arc<Opening<Running>>,
    plan: Plan,
    /// The next number to make a nonce of.
    numbers: Arc<AtomicUsize>,
    empty: [u64; 3],
    took: Duration,
    cost: Duration,
    held_when_full: u64,
    _directory: TempDir,
}

impl Filled {
    async fn with(plan: Plan) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let clock = Arc::new(Opening::behind(Running::start(plan.clock_runs)));
        let engine = match plan.holder {
            Holder::Memory | Holder::Durable => None,
            Holder::Postgres => Some(Engine::start(Kind::Postgres).await?),
            Holder::Redis => Some(Engine::start(Kind::Redis).await?),
        };
        let guard = open(plan, engine.as_ref(), &clock, &directory).await?;
        clock.strike();
        let numbers = Arc::new(AtomicUsize::new(0));
        let mut filled = Self {
            guard,
            engine,
            clock,
            plan,
            numbers,
            empty: [0; 3],
            took: Duration::ZERO,
            cost: Duration::ZERO,
            held_when_full: 0,
            _directory: directory,
        };
        filled.empty = filled.bytes().await?;
        let (began, cost) = (Instant::now(), filled.cpu_time().await?);
        let mut filling = JoinSet::new();
        for _ in 0..FILLERS {
            let (caller, numbers) = (filled.caller(), Arc::clone(&filled.numbers));
            filling.spawn(async move {
                loop {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    if number >= plan.nonces {
                        return anyhow::Ok(());
                    }
                    caller.spend(number).await?;
                }
            });
        }
        while let Some(done) = filling.join_next().await {
            done??;
        }
        filled.numbers.store(plan.nonces, Ordering::Relaxed);
        filled.took = began.elapsed();
        filled.cost = filled.cpu_time().await?.saturating_sub(cost);
        filled.held_when_full = filled.held().await?;
        Ok(filled)
    }

    fn caller(&self) -> Caller {
        let (guard, clock) = (Arc::clone(&self.guard), Arc::clone(&self.clock));
        Caller { guard, clock, tolerance: self.plan.tolerance }
    }

    /// Asks at an even pace for a while; how long each request waited.
    async fn ask_for(&self, span: Duration) -> anyhow::Result<Vec<Duration>> {
        let (start, gap) = (Instant::now(), Duration::from_secs(1) / PACE);
        let mut asking = JoinSet::new();
        let mut due = start;
        while due < start + span {
            sleep_until(due).await;
            let began = Instant::now();
            let from = if began > due + TIMER { due } else { began };
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            let caller = self.caller();
            asking.spawn(async move {
                caller.spend(number).await?;
                anyhow::Ok(from.elapsed())
            });
            due += gap;
        }
        asking.join_all().await.into_iter().collect()
    }

    async fn held(&self) -> anyhow::Result<u64> {
        match &self.engine {
            Some(engine) => engine.held().await,
            None => Ok(self.guard.live_uses().context("a guard that counts")? as u64),
        }
    }

    async fn held_about(&self) -> anyhow::Result<u64> {
        match &self.engine {
            // Counting one by one would keep the engine busy.
            Some(engine) if self.plan.nonces > FEW => engine.held_about().await,
            _ => self.held().await,
        }
    }

    /// Of the engine's processes.
    async fn cpu_time(&self) -> anyhow::Result<Duration> {
        match &self.engine {
            Some(engine) => engine.cpu_time().await,
            None => Ok(Duration::ZERO),
        }
    }

    /// Of this process, of the engine's data and of its processes.
    async fn bytes(&self) -> anyhow::Result<[u64; 3]> {
        // What was freed goes back a moment later.
        sleep(BETWEEN_LOOKS).await;
        let status = std::fs::read_to_string("/proc/self/status")?;
        let resident = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
        let kib: u64 = resident.split_whitespace().nth(1).context("a number")?.parse()?;
        let (data, processes) = match &self.engine {
            Some(engine) => (engine.data_bytes().await?, engine.process_bytes().await?),
            None => (0, 0),
        };
        Ok([kib * 1024, data, processes])
    }
}

/// One who spends nonces.
struct Caller {
    guard: Arc<dyn ReplayGuard>,
    clock: Arc<Opening<Running>>,
    tolerance: Duration,
}

impl Caller {
    async fn spend(&self, number: usize) -> anyhow::Result<()> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &number.to_le_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&digest.as_ref()[..16]);
        let account: AccountName = account(number % ACCOUNTS);
        let spend = Spend {
            key: ReplayKey::from_bytes(key),
            account: &account,
            time: self.clock.now(),
            tolerance: self.tolerance,
        };
        Ok(self.guard.spend(spend).await?)
    }
}

async fn open(
    plan: Plan,
    engine: Option<&Engine>,
    clock: &Arc<Opening<Running>>,
    directory: &TempDir,
) -> anyhow::Result<Arc<dyn ReplayGuard>> {
    let (limits, clock) = (ReplayLimits::default(), Arc::clone(clock) as _);
    let url = engine.map(Engine::url).unwrap_or_default();
    match plan.holder {
        Holder::Memory => {
            let wheel = Arc::new(ReplayWheel::new(limits, clock, &SystemRandom));
            wheel.sweep_every(limits.slot);
            Ok(wheel)
        }
        Holder::Durable => {
            let path = directory.path().join("nonces.db");
            let file = SqliteFile::open(&path, Durability::ProcessCrash).await?;
            let limits = (limits, JournalLimits::default());
            let journal = Arc::new(SqlJournal::new(file));
            Ok(Arc::new(DurableReplayGuard::open(journal, limits, clock, &SystemRandom).await?))
        }
        Holder::Postgres => shared_guards::postgres(&url, plan.tolerance, clock).await,
        Holder::Redis => shared_guards::redis(&url, plan.tolerance, clock).await,
    }
}

impl Waits {
    fn of(mut waits: Vec<Duration>) -> Self {
        waits.sort();
        let at = |percent: usize| {
            let rank = (waits.len() * percent).div_ceil(100).max(1) - 1;
            waits.get(rank).copied().unwrap_or_default()
        };
        Self { requests: waits.len(), median: at(50), p99: at(99), worst: at(100) }
    }
}

//! All hosts, from the first moment to the last.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use countersign_store::MemoryStore;
use tokio::time::Instant;
use turmoil::{Builder, Sim};

use super::callers::{Book, Caller};
use super::clock::HostClock;
use super::engine::Engine;
use super::faults::{self, LATENCY, Scheduled};
use super::host::Host;
use super::plan::{CALLERS, CLOCK_ERROR, CLOSING, REPLICAS, Simulation, TOLERANCE, WARM_UP};
use super::probes::Probes;
use super::random::Seeded;
use super::replica::Replica;
use crate::ledger::Ledger;
use crate::sabotage::InForce;
use crate::verdict::Verdict;

/// How finely time passes.
const TICK: Duration = Duration::from_millis(5);

/// Lets everything happen, and judges it.
pub(super) fn run(plan: &Simulation) -> Result<(Verdict, Vec<String>)> {
    let end = WARM_UP + plan.load() + CLOSING;
    let mut sim = Builder::new()
        .rng_seed(plan.seed)
        .enable_random_order()
        .tick_duration(TICK)
        .min_message_latency(LATENCY.0)
        .max_message_latency(LATENCY.1)
        .simulation_duration(end * 2)
        .build();
    let book = Book { ledger: Arc::new(Ledger::default()), origin: Instant::now() };
    let probes = Probes::default();
    let hosts = Hosts::start(&mut sim, plan, (&book, &probes))?;
    let schedule = faults::draw(plan);
    hosts.live(&mut sim, &schedule, end)?;

    let in_force = in_force(&schedule, &probes, book.origin)?;
    let tokens = book.ledger.take();
    let stories = tokens
        .iter()
        .enumerate()
        .map(|(number, token)| format!("token {number}: {}", token.story_since(book.origin)));
    let faults = in_force.iter().map(|fault| fault.told_since(book.origin));
    Ok((Verdict::of(&tokens, &in_force), faults.chain(stories).collect()))
}

struct Hosts {
    engine: Engine,
    replicas: Vec<Replica>,
}

impl Hosts {
    fn start(
        sim: &mut Sim<'_>,
        plan: &Simulation,
        (book, probing): (&Book, &Probes),
    ) -> Result<Self> {
        let store = Arc::new(MemoryStore::default());
        let callers = register(&store, plan.seed)?;
        let engine = Engine::new(plan.seed, plan.flaw);
        let software = engine.clone();
        sim.host(Host::Engine.name(), move || software.clone().serve());
        let mut replicas = Vec::new();
        for number in 0..REPLICAS {
            let random = Seeded::of(plan.seed, &Host::Replica(number).name());
            let replica = Replica {
                clock: Arc::new(HostClock::off_by(random.within(plan.clock_error()))),
                random: Arc::new(random),
                store: Arc::clone(&store),
                flaw: plan.flaw,
            };
            let software = replica.clone();
            sim.host(Host::Replica(number).name(), move || software.clone().serve());
            replicas.push(replica);
        }
        let [prober, callers @ ..] = callers.as_slice() else { unreachable!() };
        for (number, caller) in (0..).zip(callers) {
            let load = (share_of(plan.tokens, number), is_promised(number));
            let sending = caller.clone().send_all(load, book.clone());
            sim.client(Host::Caller(number).name(), sending);
        }
        sim.client(Host::Prober.name(), probing.clone().ask_all(prober.clone()));
        Ok(Self { engine, replicas })
    }

    /// Begins and ends each fault at its time.
    fn live(&self, sim: &mut Sim<'_>, schedule: &[Scheduled], end: Duration) -> Result<()> {
        let mut to_begin = schedule.to_vec();
        to_begin.sort_by_key(|scheduled| scheduled.from);
        let mut to_end = Vec::new();
        while sim.elapsed() < end {
            let now = sim.elapsed();
            for scheduled in to_end.extract_if(.., |at: &mut Scheduled| at.until <= now) {
                scheduled.fault.end(sim, &self.replicas);
            }
            for scheduled in to_begin.extract_if(.., |at| at.from <= now) {
                scheduled.fault.begin(sim, (&self.engine, &self.replicas));
                to_end.push(scheduled);
            }
            sim.step().map_err(|error| anyhow!("at {now:?}: {error}"))?;
        }
        Ok(())
    }
}

/// The prober and the callers, in this order. The prober's clock is as far behind as any
/// caller's, so that whatever its tokens are good for, theirs are.
fn register(store: &MemoryStore, seed: u64) -> Result<Vec<Caller>> {
    // Nothing in the memory store waits for anything.
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let behind = HostClock::off_by(-CLOCK_ERROR);
        let mut all = vec![Caller::register(store, (Host::Prober, seed), behind).await?];
        let random = Seeded::of(seed, "clocks of callers");
        for number in 0..CALLERS {
            let ahead = if is_promised(number) { 0 } else { TOLERANCE.as_micros() };
            let ahead = i64::try_from(ahead)?;
            let clock = HostClock::off_by(ahead + random.within(CLOCK_ERROR));
            all.push(Caller::register(store, (Host::Caller(number), seed), clock).await?);
        }
        Ok(all)
    })
}

/// Whether that caller's tokens are good when they are made.
fn is_promised(caller: u32) -> bool {
    caller + 1 < CALLERS
}

/// How many of the tokens that caller makes.
fn share_of(tokens: u32, caller: u32) -> u32 {
    tokens / CALLERS + u32::from(caller < tokens % CALLERS)
}

/// When each fault was in force: until every replica had accepted a token that was made after
/// it. That the engine is new is the first.
fn in_force(schedule: &[Scheduled], probes: &Probes, origin: Instant) -> Result<Vec<InForce>> {
    let recovered = |scheduled: &Scheduled| {
        let until = probes.all_accepted_after(scheduled.until);
        let until = until.with_context(|| format!("no recovery from {scheduled:?}"))?;
        let what = format!("{:?}", scheduled.fault);
        let (from, until) = (origin + scheduled.from, origin + until);
        Ok(InForce { what, from, until, cut_off: None })
    };
    schedule.iter().map(recovered).collect()
}

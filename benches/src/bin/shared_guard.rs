//! What a replay guard that servers share costs a server: its share of the requests that the
//! guards in process serve, what a second server adds, and how often the engine is asked.

#![expect(clippy::print_stdout, reason = "the tables are the benchmark's result")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;
use countersign_benches::engines::{Engine, Kind, Work};
use countersign_benches::load::{CALLERS, Requests, render};
use countersign_benches::measured::{self, Guard, Setup};
use countersign_benches::pairs::PAIRS;
use countersign_benches::process::{BOTH_CORES, LOAD_CORE, SERVER_CORE, Server, move_to_cores};
use countersign_benches::report::{Limit, Row, print};
use countersign_benches::shares::{
    Costs, Half, Shares, at_once, beside_the_engine, on_the_load_core,
};
use countersign_benches::tokens::{Counter, authorization, ed25519};

/// Requests to one server in one round.
const REQUESTS: usize = 3_000;
/// How many accounts there are.
const ACCOUNTS: usize = 1_000;
/// Rounds that are counted, each way.
const COUNTED: usize = 10;
/// A server's least share of the requests that one with a guard in process serves.
const SHARE: f64 = 0.60;
/// The most CPU time for a request with two servers, where one needs 1.
const TWO: f64 = 1.15;

fn main() -> anyhow::Result<ExitCode> {
    if let Some(setup) = Setup::from_arguments(std::env::args().skip(1))? {
        measured::serve(setup)?;
        return Ok(ExitCode::SUCCESS);
    }
    // A word given picks the engines whose names contain it.
    let wanted = std::env::args().nth(1).unwrap_or_default();
    println!(
        "{PAIRS} rounds of {REQUESTS} Ed25519 requests from {CALLERS} callers, {ACCOUNTS} accounts; \
         a server has core {SERVER_CORE} and one worker, the load and the engine core {LOAD_CORE}; \
         the load asks on while it waits where CPU time is measured, and sleeps where the clock is"
    );
    let mut holds = true;
    for kind in [Kind::Postgres, Kind::Redis] {
        if format!("{kind:?}").contains(&wanted) {
            holds &= measure(kind)?;
        }
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Servers with the guards in process, and two that share one.
struct Servers {
    memory: Server,
    durable: Server,
    shared: [Server; 2],
}

/// What all rounds said.
#[derive(Default)]
struct Measured {
    of_memory: Shares,
    of_durable: Shares,
    pace_of_memory: Shares,
    pace_of_durable: Shares,
    as_many_callers_each: Costs,
    as_many_callers_in_all: Costs,
    per_request: [Vec<f64>; 3],
}

fn measure(kind: Kind) -> anyhow::Result<bool> {
    move_to_cores(LOAD_CORE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let engine = runtime.block_on(Engine::start(kind))?;
    drop(runtime);
    move_to_cores(BOTH_CORES)?;
    let shared = match kind {
        Kind::Postgres => Guard::Postgres(engine.url()),
        Kind::Redis => Guard::Redis(engine.url()),
    };
    let directory = tempfile::tempdir()?;
    let random = Counter(AtomicU64::new(0));
    let start = |guard: &Guard| {
        let sample = authorization(0, &ed25519(0), &random);
        let guard = guard.clone();
        let setup = Setup { guard, accounts: ACCOUNTS, nonces: 0, key: None, sample };
        Server::start(&setup.to_arguments(directory.path())?, SERVER_CORE, 2)
    };
    let servers = Servers {
        memory: start(&Guard::Memory)?,
        durable: start(&Guard::Durable)?,
        shared: [start(&shared)?, start(&shared)?],
    };
    let mut measured = Measured::default();
    let mut batches = Batches::new(&random, 7 * (PAIRS + 1) + 5 * COUNTED).0.into_iter();
    let work = on_the_load_core(async {
        measured.compare_costs(&servers, &mut batches).await?;
        count(&engine, &servers, &mut batches).await
    })?;
    let mut batches = Batches::new(&random, 3 * (PAIRS + 1)).0.into_iter();
    beside_the_engine(measured.compare_paces(&servers, &mut batches))?;
    Ok(measured.print(kind, &work))
}

/// One round with each guard.
async fn one_each(
    Servers { memory, durable, shared: [ours, _] }: &Servers,
    batches: &mut impl Iterator<Item = Requests>,
) -> anyhow::Result<[Half; 3]> {
    Ok([one(memory, batches).await?, one(durable, batches).await?, one(ours, batches).await?])
}

async fn one(
    server: &Server,
    batches: &mut impl Iterator<Item = Requests>,
) -> anyhow::Result<Half> {
    let batch = batches.next().context("too few requests were signed")?;
    at_once(&[(server, &server.addresses[1])], &[batch], CALLERS).await
}

async fn both(
    servers: &[Server; 2],
    batches: &mut impl Iterator<Item = Requests>,
    callers: usize,
) -> anyhow::Result<Half> {
    let two: Vec<_> = batches.take(2).collect();
    let servers = servers.each_ref().map(|server| (server, server.addresses[1].as_str()));
    at_once(&servers, &two, callers).await
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 nanoseconds")]
fn micros_per_request(half: &Half) -> f64 {
    half.cpu_nanos as f64 / 1e3 / REQUESTS as f64
}

/// What the engine did for requests to one server, to two with as many callers each, and to two
/// with as many in all.
async fn count(
    engine: &Engine,
    servers: &Servers,
    batches: &mut impl Iterator<Item = Requests>,
) -> anyhow::Result<[Work; 4]> {
    let start = engine.work().await?;
    for _ in 0..COUNTED {
        one(&servers.shared[0], batches).await?;
    }
    let first = engine.work().await?;
    for _ in 0..COUNTED {
        both(&servers.shared, batches, CALLERS).await?;
    }
    let second = engine.work().await?;
    for _ in 0..COUNTED {
        both(&servers.shared, batches, CALLERS / 2).await?;
    }
    Ok([start, first, second, engine.work().await?])
}

impl Measured {
    /// What requests cost each way, by turns.
    async fn compare_costs(
        &mut self,
        servers: &Servers,
        batches: &mut impl Iterator<Item = Requests>,
    ) -> anyhow::Result<()> {
        // The first round warms all up.
        for round in 0..=PAIRS {
            let [memory, durable, ours] = one_each(servers, batches).await?;
            let each = both(&servers.shared, batches, CALLERS).await?;
            let in_all = both(&servers.shared, batches, CALLERS / 2).await?;
            if round > 0 {
                self.of_memory.add(&memory, &ours);
                self.of_durable.add(&durable, &ours);
                self.as_many_callers_each.add_for_each(&ours, &each, 2.0);
                self.as_many_callers_in_all.add_for_each(&ours, &in_all, 2.0);
                for (all, half) in self.per_request.iter_mut().zip([&memory, &durable, &ours]) {
                    all.push(micros_per_request(half));
                }
            }
        }
        Ok(())
    }

    /// How many requests a second one server serves each way, by turns.
    async fn compare_paces(
        &mut self,
        servers: &Servers,
        batches: &mut impl Iterator<Item = Requests>,
    ) -> anyhow::Result<()> {
        for round in 0..=PAIRS {
            let [memory, durable, ours] = one_each(servers, batches).await?;
            if round > 0 {
                self.pace_of_memory.add(&memory, &ours);
                self.pace_of_durable.add(&durable, &ours);
            }
        }
        Ok(())
    }

    fn print(self, kind: Kind, work: &[Work; 4]) -> bool {
        let shares = [
            ("memory", self.of_memory, self.pace_of_memory),
            ("durable", self.of_durable, self.pace_of_durable),
        ];
        let shares = shares.map(|(guard, costs, paces)| {
            let name = format!("{kind:?}, share of what the guard `{guard}` serves");
            costs.rows_with_clock_of(paces, &name, SHARE)
        });
        let costs = [
            self.as_many_callers_each.row(
                format!("{kind:?}, two servers with {CALLERS} callers each: CPU time per request"),
                Limit::AtMost,
                TWO,
            ),
            self.as_many_callers_in_all.row(
                format!("{kind:?}, two servers with {} callers each", CALLERS / 2),
                Limit::Shown,
                TWO,
            ),
        ];
        let rows: Vec<Row> = shares.into_iter().flatten().chain(costs).collect();
        let holds = print("A shared guard (1 = as much)", &rows);
        println!("\nMicroseconds of CPU per request, median");
        for (name, mut all) in ["memory", "durable", "shared"].iter().zip(self.per_request) {
            all.sort_by(f64::total_cmp);
            println!("  {name:<8} {:>6.1}", all[all.len() / 2]);
        }
        println!("\nPer request             round trips   bytes logged   bytes to it, from it");
        let steps = ["one server", "two, each as many", "two, as many in all"];
        let mut trips = Vec::new();
        for ((name, pair), servers) in steps.iter().zip(work.windows(2)).zip([1, 2, 2]) {
            trips.push(print_work(name, pair[0], pair[1], servers * COUNTED * REQUESTS));
        }
        let are_constant = trips[1] <= TWO * trips[0];
        let verdict = if are_constant { "holds" } else { "FAILS" };
        println!(
            "  two servers, each as many: at most {TWO} times the round trips of one: {verdict}"
        );
        holds && are_constant
    }
}

/// The round trips of each request.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn print_work(name: &str, before: Work, after: Work, requests: usize) -> f64 {
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / requests as f64;
    let network = match (before.network, after.network) {
        (Some(before), Some(after)) => {
            format!("{:.0}, {:.0}", each(before.0, after.0), each(before.1, after.1))
        }
        _ => "not counted".to_owned(),
    };
    let trips = each(before.round_trips, after.round_trips);
    println!("  {name:<22} {trips:>10.3} {:>14.0}   {network}", each(before.logged, after.logged));
    trips
}

/// Requests signed beforehand, on every core, before the load is moved to its own.
struct Batches(Vec<Requests>);

impl Batches {
    fn new(random: &Counter, count: usize) -> Self {
        let batch = |seed: usize| -> Requests {
            let one = |index: usize| {
                let account = (seed * REQUESTS + index) % ACCOUNTS;
                render(&authorization(account, &ed25519(account), random))
            };
            Arc::new((0..REQUESTS).map(one).collect())
        };
        let half = count / 2;
        std::thread::scope(|scope| {
            let first = scope.spawn(move || (0..half).map(batch).collect::<Vec<_>>());
            let mut second: Vec<_> = (half..count).map(batch).collect();
            // Unwrap safety: a panic of the thread is a panic of the benchmark.
            second.extend(first.join().expect("signing"));
            Self(second)
        })
    }
}

//! The same requests to two servers in turn, and what share of the one the other is.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::Stopwatch;
use crate::load::{Requests, send_all, send_from, send_when};
use crate::pairs::Ratios;
use crate::process::{BOTH_CORES, LOAD_CORE, Server, move_to_cores};
use crate::report::{Limit, Row};

/// How long a server is watched to see whether it rests.
const A_WHILE: Duration = Duration::from_millis(500);
/// How much CPU time a resting server uses in [`A_WHILE`] at the most, in nanoseconds.
const RESTING_NANOS: u64 = 5_000_000;

/// Both ways to look at the same pairs: our share of the baseline.
#[derive(Default)]
pub struct Shares {
    requests_per_second: Vec<f64>,
    cpu_per_request: Vec<f64>,
}

/// What one server needed for its half of a pair.
pub struct Half {
    /// How long it took.
    pub elapsed: Duration,
    /// How much CPU time the server used.
    pub cpu_nanos: u64,
}

/// Sends these requests to one address of a server.
///
/// # Errors
/// If an answer is not 200.
pub async fn half(server: &Server, address: &str, requests: &Requests) -> anyhow::Result<Half> {
    half_when(&[], server, address, requests).await
}

/// Sends these requests to one address of a server, each so long after the start.
///
/// # Errors
/// If an answer is not 200.
pub async fn half_when(
    due: &[Duration],
    server: &Server,
    address: &str,
    requests: &Requests,
) -> anyhow::Result<Half> {
    let before = server.cpu_nanos()?;
    let elapsed = send_when(due, address, requests).await?;
    Ok(Half { elapsed, cpu_nanos: server.cpu_nanos()? - before })
}

/// Sends some requests to each of some servers at the same time, each from so many callers.
///
/// # Errors
/// If an answer is not 200.
pub async fn at_once(
    servers: &[(&Server, &str)],
    requests: &[Requests],
    callers: usize,
) -> anyhow::Result<Half> {
    let watch = Stopwatch::start();
    let mut before = 0;
    let mut sending = JoinSet::new();
    for ((server, address), requests) in servers.iter().zip(requests) {
        before += server.cpu_nanos()?;
        let (address, requests) = ((*address).to_owned(), Arc::clone(requests));
        sending.spawn(async move { send_from(callers, &[], &address, &requests).await });
    }
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    let (elapsed, mut after) = (watch.elapsed(), 0);
    for (server, _) in servers {
        after += server.cpu_nanos()?;
    }
    Ok(Half { elapsed, cpu_nanos: after - before })
}

/// Sends these requests to two servers by turns, many times over, and waits until both
/// rest.
///
/// What disturbs this machine lasts longer than a turn, and so meets both. Each server is
/// charged all that it did meanwhile, also what it put off until nobody asked.
///
/// # Errors
/// If an answer is not 200.
pub async fn by_turns(
    servers: [(&Server, &str); 2],
    requests: &Requests,
    turns: usize,
) -> anyhow::Result<[Half; 2]> {
    let mut halves = [(); 2].map(|()| Half { elapsed: Duration::ZERO, cpu_nanos: 0 });
    let mut before = [0; 2];
    for ((server, _), before) in servers.iter().zip(&mut before) {
        *before = server.cpu_nanos()?;
    }
    for _ in 0..turns {
        for ((_, address), half) in servers.iter().zip(&mut halves) {
            half.elapsed += send_all(address, requests).await?;
        }
    }
    for (((server, _), half), before) in servers.iter().zip(&mut halves).zip(before) {
        half.cpu_nanos = at_rest(server).await? - before;
    }
    Ok(halves)
}

/// The CPU time that a server has used when it does nothing any more.
async fn at_rest(server: &Server) -> anyhow::Result<u64> {
    let mut used = server.cpu_nanos()?;
    loop {
        tokio::time::sleep(A_WHILE).await;
        let now = server.cpu_nanos()?;
        if now - used < RESTING_NANOS {
            return Ok(now);
        }
        used = now;
    }
}

/// Runs the load on a core of its own, and gives the other back afterwards for
/// the signing of the next tokens.
///
/// # Errors
/// Those of the work, and if this program cannot be moved.
pub fn on_the_load_core<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    beside_the_engine(async {
        // The load never sleeps: waking it would be charged to the server,
        // and the more so the slower the server is.
        let restless = tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        let outcome = work.await;
        restless.abort();
        outcome
    })
}

/// Does so, but the load sleeps while it waits: an engine on the same core is not kept from
/// working, so that the clock says what server and engine need. CPU times say less.
///
/// # Errors
/// As [`on_the_load_core`].
pub fn beside_the_engine<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    move_to_cores(LOAD_CORE)?;
    let outcome =
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work);
    move_to_cores(BOTH_CORES)?;
    outcome
}

/// How much more CPU time one way takes than another.
#[derive(Default)]
pub struct Costs(Vec<f64>);

impl Costs {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 nanoseconds")]
    /// Takes a pair.
    pub fn add(&mut self, base: &Half, ours: &Half) {
        self.0.push(ours.cpu_nanos as f64 / base.cpu_nanos as f64);
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 nanoseconds")]
    /// Takes a pair in which ours had so many requests for each of the base's.
    pub fn add_for_each(&mut self, base: &Half, ours: &Half, requests: f64) {
        self.0.push(ours.cpu_nanos as f64 / base.cpu_nanos as f64 / requests);
    }

    /// Them as a line of the report.
    pub fn row(self, name: String, limit: Limit, value: f64) -> Row {
        Row { name, ratios: Ratios::new(self.0), limit, value }
    }
}

impl Shares {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 nanoseconds")]
    /// Takes a pair.
    pub fn add(&mut self, base: &Half, ours: &Half) {
        self.requests_per_second.push(base.elapsed.as_secs_f64() / ours.elapsed.as_secs_f64());
        self.cpu_per_request.push(base.cpu_nanos as f64 / ours.cpu_nanos as f64);
    }

    /// The two cores slow each other, so the CPU time decides.
    pub fn rows(self, name: &str, value: f64) -> Vec<Row> {
        let by_cpu = Self::row(format!("{name}: by CPU time"), self.cpu_per_request, value);
        let by_clock = Self::row(format!("{name}: by requests/s"), self.requests_per_second, value);
        vec![by_cpu, Row { limit: Limit::Shown, ..by_clock }]
    }

    /// The CPU time of these pairs and the clock of others, which decide both.
    pub fn rows_with_clock_of(self, others: Self, name: &str, value: f64) -> Vec<Row> {
        vec![
            Self::row(format!("{name}: by CPU time"), self.cpu_per_request, value),
            Self::row(format!("{name}: by requests/s"), others.requests_per_second, value),
        ]
    }

    fn row(name: String, ratios: Vec<f64>, value: f64) -> Row {
        Row { name, ratios: Ratios::new(ratios), limit: Limit::AtLeast, value }
    }
}

//! A million live nonces in each guard: the memory they take, and the longest that a request
//! waits while they expire.

#![expect(clippy::print_stdout, reason = "the table is the benchmark's result")]

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::ensure;
use countersign_benches::live_nonces::{Holder, Measured, Plan, Waits, measure};

/// How many.
const NONCES: usize = 1_000_000;
/// How far a token's time may lie from now: all of them are made before the first expires.
fn tolerance(holder: Holder) -> Duration {
    match holder {
        // It takes the longest to fill.
        Holder::Postgres => Duration::from_secs(110),
        Holder::Memory | Holder::Durable | Holder::Redis => Duration::from_secs(40),
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let holders = [Holder::Memory, Holder::Durable, Holder::Postgres, Holder::Redis];
    match (arguments.next(), arguments.next()) {
        (Some(own), Some(name)) if own == "--one" => {
            let found = holders.into_iter().find(|holder| format!("{holder:?}") == name);
            one(found.ok_or_else(|| anyhow::anyhow!("no guard {name}"))?)?;
            return Ok(ExitCode::SUCCESS);
        }
        // A word given picks the guards whose names contain it.
        (wanted, _) => {
            println!("{NONCES} live nonces in each guard");
            for holder in holders {
                let name = format!("{holder:?}");
                if name.contains(&wanted.clone().unwrap_or_default()) {
                    // In a process of its own, whose memory is that of nothing else.
                    let program = std::env::current_exe()?;
                    let status = Command::new(program).args(["--one", &name]).status()?;
                    ensure!(status.success(), "{name}: {status}");
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn one(holder: Holder) -> anyhow::Result<()> {
    let plan = Plan { holder, nonces: NONCES, tolerance: tolerance(holder), clock_runs: 1 };
    // What runs in tasks would start the engine on a thread that is only lent.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = runtime.block_on(measure(plan))?;
    let Measured { filled_in, filled_for, held, left, process, data, engine, .. } = measured;
    let waits =
        [("before they expire", measured.at_rest), ("while they expire", measured.expiring)];
    let live = plan.tolerance + Duration::from_secs(10);
    println!("\n{holder:?}: {held} that live {live:?}, entered in {filled_in:.1?}");
    let nonces = u32::try_from(NONCES)?;
    let pace = f64::from(nonces) / filled_in.as_secs_f64();
    println!("  {pace:.0} a second, {:.1?} of an engine's CPU time for each", filled_for / nonces);
    ensure!(filled_in < live && held == NONCES as u64, "not all of them lived at once: {held}");
    let mib = |bytes: [u64; 3]| {
        let [before, full, after] = bytes.map(|bytes| bytes / (1 << 20));
        let each = bytes[1].saturating_sub(bytes[0]) / NONCES as u64;
        format!(
            "{before:>5} MiB before, {full:>5} with them, {after:>5} after; {each:>4} bytes each"
        )
    };
    println!("  this process       {}", mib(process));
    if data != [0; 3] {
        println!("  the engine's data  {}", mib(data));
        println!("  its processes      {}", mib(engine));
    }
    println!("  left at the end: {} of {} that came since", left.0, left.1);
    for (name, waits) in waits {
        let Waits { requests, median, p99, worst } = waits;
        println!(
            "  {name:<18} {requests:>7} requests waited {median:>10.2?} in the middle, {p99:>10.2?} p99, {worst:>10.2?} at most"
        );
    }
    Ok(())
}

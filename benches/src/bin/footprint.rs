//! What the real binary needs: how soon it is ready on a warm store, and how
//! much memory it holds when nobody calls.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use countersign_benches::clock::Stopwatch;
use countersign_benches::pairs::{PAIRS, Ratios};
use countersign_benches::report::{Limit, Row, print};

/// How soon the server must be ready, in milliseconds.
const MOST_MILLISECONDS: f64 = 100.0;
/// How much it may hold when idle, in MiB.
const MOST_MIB: f64 = 30.0;
/// How long a start may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> anyhow::Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    // The first start makes the store, the admin and its key.
    Running::start(&data)?.stop()?;
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let server = Running::start(&data)?;
        ready.push(server.ready_after.as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_millis(500));
        resident.push(server.resident_mib()?);
        server.stop()?;
    }
    let row = |name: &str, values, value| Row {
        name: name.to_owned(),
        ratios: Ratios::new(values),
        limit: Limit::AtMost,
        value,
    };
    let rows = [
        row("milliseconds from start to ready, warm store", ready, MOST_MILLISECONDS),
        row("MiB resident when idle", resident, MOST_MIB),
    ];
    let holds = print("The server at rest", &rows);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Running {
    child: Child,
    ready_after: Duration,
}

impl Running {
    fn start(data: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("countersign");
        let (public, internal) = free_addresses()?;
        let watch = Stopwatch::start();
        let child = Command::new(&program)
            .arg("serve")
            .args(["--listen", &public.to_string(), "--internal-listen", &internal.to_string()])
            .arg("--data-dir")
            .arg(data)
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{}: build it with --release first", program.display()))?;
        let mut running = Self { child, ready_after: Duration::ZERO };
        while !is_ready(public) {
            anyhow::ensure!(watch.elapsed() < PATIENCE, "the server did not become ready");
            if let Some(status) = running.child.try_wait()? {
                anyhow::bail!("the server ended: {status}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        running.ready_after = watch.elapsed();
        Ok(running)
    }

    fn resident_mib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
        let kib: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
        Ok(kib / 1024.0)
    }

    fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two addresses that were free a moment ago, held together so that they differ.
fn free_addresses() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let (first, second) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((first.local_addr()?, second.local_addr()?))
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut connection = TcpStream::connect(address)?;
        connection.write_all(b"GET /health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer.lines().next().is_some_and(|status| status.contains(" 200")))
    };
    ask().unwrap_or(false)
}

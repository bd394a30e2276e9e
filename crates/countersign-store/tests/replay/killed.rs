//! `kill -9` between use and replay, with real processes.
//!
//! The test runs itself again as the child: a process that spends what it is
//! told and says what it accepted. There is no orderly end to it.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::Clock as _;
use countersign_core::UnixTime;
use countersign_core::ports::{GuardError, ReplayGuard, Spend};
use countersign_store::replay::{DurableReplayGuard, SqlJournal};
use countersign_system::{SystemClock, SystemRandom};
use tempfile::TempDir;

use crate::sql_journal::open_database;
use crate::support::{account, spend};

/// Tells the child that it is the child, and where the journal is.
const DIRECTORY: &str = "REPLAY_TEST_DIRECTORY";
const THIS_TEST: &str = "killed::what_was_accepted_before_a_kill_is_refused_after_it";
/// Wide enough that the test's tokens stay good on a machine of any speed.
const TOLERANCE: Duration = Duration::from_mins(10);
/// How many acceptances are seen before the kill.
const SEEN: usize = 2000;

#[test]
fn what_was_accepted_before_a_kill_is_refused_after_it() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return child_process(Path::new(&directory));
    }
    let directory = TempDir::new().unwrap();
    let time = SystemClock.now();
    let mut first = Process::start(directory.path());
    first.ask(&format!("flood {}", time.as_micros()));
    let mut accepted: Vec<u64> = first.answers().take(SEEN).collect();
    // SIGKILL, in the midst of commits. What it had said before counts, too.
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    accepted.extend(first.answers());
    assert!(accepted.len() >= SEEN);

    let mut second = Process::start(directory.path());
    for number in &accepted {
        second.ask(&format!("spend {number} {}", time.as_micros()));
        assert_eq!(second.line(), format!("refused {number}: {}", GuardError::Replayed));
    }
    // A number that the flood cannot have reached.
    second.ask(&format!("spend {} {}", u64::MAX, time.as_micros()));
    assert_eq!(second.line(), format!("accepted {}", u64::MAX), "a fresh token after the kill");
}

struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", THIS_TEST, "--nocapture"])
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin, stdout }
    }

    fn ask(&mut self, command: &str) {
        writeln!(self.stdin, "{command}").unwrap();
    }

    /// The next line of the child's own; the test harness in it prints others.
    fn line(&mut self) -> String {
        let own = |line: &String| line.starts_with("accepted") || line.starts_with("refused");
        self.stdout.by_ref().map(Result::unwrap).find(own).expect("the child answers")
    }

    /// The numbers that the child says it accepted, until it ends.
    fn answers(&mut self) -> impl Iterator<Item = u64> {
        let lines = self.stdout.by_ref().map(Result::unwrap);
        lines.filter_map(|line| line.strip_prefix("accepted ")?.parse().ok())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this test is in the process that is killed.
fn child_process(directory: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let journal = Arc::new(SqlJournal::new(open_database(directory).await));
        let (clock, limits) = (Arc::new(SystemClock), Default::default());
        let guard = DurableReplayGuard::open(journal, limits, clock, &SystemRandom).await.unwrap();
        let guard = Arc::new(guard);
        for line in std::io::stdin().lines() {
            let line = line.unwrap();
            match *line.split(' ').collect::<Vec<_>>() {
                ["flood", time] => flood(&guard, instant(time)),
                ["spend", number, time] => {
                    say(&guard, number.parse().unwrap(), instant(time)).await;
                }
                _ => panic!("{line}"),
            }
        }
    });
}

/// Spends fresh numbers from 64 tasks until the process is killed.
fn flood(guard: &Arc<DurableReplayGuard>, time: UnixTime) {
    for task in 0..64 {
        let guard = Arc::clone(guard);
        tokio::spawn(async move {
            for round in 0.. {
                say(&guard, task + 64 * round, time).await;
            }
        });
    }
}

#[expect(clippy::print_stdout, reason = "the parent process reads it")]
async fn say(guard: &DurableReplayGuard, number: u64, time: UnixTime) {
    let account = account("a");
    let spend = Spend { tolerance: TOLERANCE, ..spend(&account, number, time) };
    match guard.spend(spend).await {
        Ok(()) => println!("accepted {number}"),
        Err(error) => println!("refused {number}: {error}"),
    }
}

fn instant(micros: &str) -> UnixTime {
    UnixTime::from_micros(micros.parse().unwrap())
}

//! The journal in SQLite, by itself and under a guard.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{GuardError, ReplayGuard};
use countersign_core::{Clock, UnixTime};
use countersign_store::replay::conformance::{self, Candidate};
use countersign_store::replay::{
    DurableReplayGuard, JournalBatch, JournalError, JournalLimits, NonceJournal, RecordedUse,
    Recovered, ReplayLimits, SqlJournal,
};
use countersign_store::{Durability, SqliteFile};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::support::{FixedRandom, ManualClock, NOON, account, key, spend};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn open_database(directory: &Path) -> SqliteFile {
    SqliteFile::open(&directory.join("countersign.db"), Durability::default()).await.unwrap()
}

/// Another connection to the same file, to look and to meddle.
async fn intruder(database: &SqliteFile) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(database.path());
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn open_guard(database: &SqliteFile, clock: Arc<dyn Clock>) -> DurableReplayGuard {
    let journal = Arc::new(SqlJournal::new(database.clone()));
    DurableReplayGuard::open(journal, Default::default(), clock, &FixedRandom).await.unwrap()
}

async fn rows(database: &SqliteFile) -> i64 {
    let count = "SELECT COUNT(*) FROM countersign_spent_nonces";
    sqlx::query_scalar(count).fetch_one(&mut intruder(database).await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn accepts_one_of_64_at_once_in_a_thousand_rounds() {
    let directory = TempDir::new().unwrap();
    let database = open_database(directory.path()).await;
    let clock = Arc::new(ManualClock::at(NOON));
    let guard = Arc::new(open_guard(&database, clock.clone()).await);
    let mut candidate = Candidate { guard, now: NOON, account: account("racer"), run: 1 };
    conformance::check(&candidate, 1000).await;

    candidate.guard = Arc::new(open_guard(&database, clock).await);
    for round in 0..1000 {
        let again = candidate.spend(candidate.key(1, round), NOON).await;
        assert_eq!(again, Err(GuardError::Replayed), "round {round} after a restart");
    }
}

#[tokio::test]
async fn a_journal_is_one_guards_alone() {
    let directory = TempDir::new().unwrap();
    let database = open_database(directory.path()).await;
    let first = SqlJournal::exclusive(database.clone()).unwrap();
    let second = SqlJournal::exclusive(database.clone()).map(drop);
    assert!(matches!(second, Err(JournalError::InUse(_))), "{second:?}");
    drop(first);
    SqlJournal::exclusive(database).unwrap();
}

#[tokio::test]
async fn gives_back_what_was_appended() {
    let directory = TempDir::new().unwrap();
    let journal = SqlJournal::new(open_database(directory.path()).await);
    let (early, late) = (batch(0..3, NOON), batch(3..5, NOON + 10 * SECOND));
    journal.append(early.clone()).await.unwrap();
    journal.append(late.clone()).await.unwrap();

    let (uses, recovered) = load(&journal, NOON).await;
    assert_eq!(uses, [early.uses, late.uses.clone()].concat());
    let refused_before = Some(late.refused_before);
    assert_eq!(recovered, Recovered { refused_before, skipped_through: None });

    let (uses, recovered) = load(&journal, early.expires_at + SECOND).await;
    assert_eq!(uses, late.uses, "the early ones have expired");
    assert_eq!(recovered.skipped_through, Some(NOON));
}

#[tokio::test]
async fn prunes_in_bites_and_never_the_newest() {
    let directory = TempDir::new().unwrap();
    let database = open_database(directory.path()).await;
    let journal = SqlJournal::new(database.clone());
    for number in 0..300 {
        journal.append(batch(number..number + 1, NOON)).await.unwrap();
    }
    assert_eq!(journal.prune(NOON).await, Ok(false), "none is older than the limit");
    assert_eq!(rows(&database).await, 300);
    assert_eq!(journal.prune(NOON + SECOND).await, Ok(true));
    assert_eq!(rows(&database).await, 44);
    assert_eq!(journal.prune(NOON + SECOND).await, Ok(false));
    assert_eq!(load(&journal, NOON).await.0, batch(299..300, NOON).uses);
}

#[tokio::test]
async fn a_damaged_batch_stops_the_start() {
    let directory = TempDir::new().unwrap();
    let database = open_database(directory.path()).await;
    let journal = SqlJournal::new(database.clone());
    journal.append(batch(0..2, NOON)).await.unwrap();
    let damage = "UPDATE countersign_spent_nonces SET entries = substr(entries, 2)";
    sqlx::query(damage).execute(&mut intruder(&database).await).await.unwrap();
    let outcome = journal.load(NOON, &mut |_, _| {}).await;
    assert_eq!(outcome, Err(JournalError::Damaged { batch: 1 }));
}

#[tokio::test]
async fn a_lost_table_refuses_and_its_return_heals() {
    let directory = TempDir::new().unwrap();
    let database = open_database(directory.path()).await;
    let guard = open_guard(&database, Arc::new(ManualClock::at(NOON))).await;
    let name = account("a");
    let rename = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
    let (here, away) = ("countersign_spent_nonces", "elsewhere");
    let lose = sqlx::AssertSqlSafe(rename(here, away));
    sqlx::raw_sql(lose).execute(&mut intruder(&database).await).await.unwrap();
    assert!(matches!(guard.spend(spend(&name, 1, NOON)).await, Err(GuardError::Unavailable(_))));
    let heal = sqlx::AssertSqlSafe(rename(away, here));
    sqlx::raw_sql(heal).execute(&mut intruder(&database).await).await.unwrap();
    assert_eq!(guard.spend(spend(&name, 1, NOON)).await, Err(GuardError::Replayed));
    assert_eq!(guard.spend(spend(&name, 2, NOON)).await, Ok(()));
}

#[tokio::test]
async fn a_locked_database_refuses_in_bounded_time_and_recovers() {
    let directory = TempDir::new().unwrap();
    let database = open_database(directory.path()).await;
    let journal = Arc::new(SqlJournal::new(database.clone()));
    let commit = Duration::from_millis(200);
    let limits = (ReplayLimits::default(), JournalLimits { commit, ..JournalLimits::default() });
    let clock = Arc::new(ManualClock::at(NOON));
    let guard = DurableReplayGuard::open(journal, limits, clock, &FixedRandom).await.unwrap();
    let name = account("a");
    assert_eq!(guard.spend(spend(&name, 1, NOON)).await, Ok(()));

    let mut lock = intruder(&database).await;
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut lock).await.unwrap();
    for number in 2..4 {
        let refused = guard.spend(spend(&name, number, NOON)).await;
        assert!(matches!(refused, Err(GuardError::Unavailable(_))), "{refused:?}");
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();
    assert_eq!(guard.spend(spend(&name, 2, NOON)).await, Err(GuardError::Replayed));
    // A statement that nobody waits for any more may still be retrying.
    for number in 10..60 {
        if guard.spend(spend(&name, number, NOON)).await.is_ok() {
            return;
        }
    }
    panic!("no use was accepted after the lock was gone");
}

fn batch(numbers: std::ops::Range<u64>, time: UnixTime) -> JournalBatch {
    JournalBatch {
        uses: numbers.map(|number| RecordedUse { key: key(number), time }).collect(),
        oldest_time: time,
        newest_time: time,
        expires_at: time + 30 * SECOND,
        refused_before: time - 60 * SECOND,
    }
}

async fn load(journal: &SqlJournal, now: UnixTime) -> (Vec<RecordedUse>, Recovered) {
    let mut uses = Vec::new();
    let recovered = journal.load(now, &mut |recorded, _| uses.push(recorded)).await.unwrap();
    (uses, recovered)
}

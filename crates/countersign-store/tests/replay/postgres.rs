//! The guard in PostgreSQL, with real servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_core::{Clock as _, UnixTime};
use countersign_store::replay::conformance::{self, Candidate};
use countersign_store::replay::{
    PostgresReplayGuard, ReplayLimits, SharedLimits, SharedTolerance, UnfitDatabase,
};
use countersign_store::{PostgresLimits, PostgresServer, PostgresUrl};
use countersign_system::{SystemClock, SystemRandom};
use countersign_testbed::{Database, Durability, Postgres, fresh_database};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::outages::{REACH, is_unavailable, until};
use crate::support::{ManualClock, NOON, TOLERANCE, account, spend};

/// How many tokens the servers race for, in as many as they need.
const RACES: u64 = 400;
pub(crate) const LIVE: &str = "SELECT (SELECT count(*) FROM countersign_nonces_0) + (SELECT count(*) FROM countersign_nonces_1) \
    + (SELECT count(*) FROM countersign_nonces_2) + (SELECT count(*) FROM countersign_nonces_3) \
    + (SELECT count(*) FROM countersign_nonces_4) + (SELECT count(*) FROM countersign_nonces_5) \
    + (SELECT count(*) FROM countersign_nonces_6) + (SELECT count(*) FROM countersign_nonces_7)";

async fn open(url: &str) -> PostgresServer {
    let url = PostgresUrl::parse(url).unwrap();
    PostgresServer::open(&url, PostgresLimits::default()).await.unwrap()
}

/// A guard of one server's.
pub(crate) async fn start(
    url: &str,
    clock: &Arc<ManualClock>,
) -> Result<Arc<PostgresReplayGuard>, UnfitDatabase> {
    // The tests' clocks are none of the database's.
    start_within(Duration::MAX, url, clock).await
}

/// A guard whose clock may be so far from the database's.
async fn start_within(
    skew: Duration,
    url: &str,
    clock: &Arc<ManualClock>,
) -> Result<Arc<PostgresReplayGuard>, UnfitDatabase> {
    start_with((TOLERANCE.into(), skew), url, clock).await
}

/// A guard that remembers for this tolerance.
pub(crate) async fn start_with(
    (tolerance, skew): (SharedTolerance, Duration),
    url: &str,
    clock: &Arc<ManualClock>,
) -> Result<Arc<PostgresReplayGuard>, UnfitDatabase> {
    let limits = SharedLimits { skew, ..SharedLimits::default() };
    let limits = (ReplayLimits::default(), limits);
    let database = (open(url).await, tolerance);
    let guard = PostgresReplayGuard::start(
        database,
        limits,
        Arc::clone(clock) as _,
        Arc::new(SystemRandom),
    );
    guard.await.map(Arc::new)
}

/// A guard over a database that has been known for long.
pub(crate) async fn settled(url: &str) -> (Arc<PostgresReplayGuard>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(NOON));
    let guard = start(url, &clock).await.unwrap();
    clock.advance(Duration::from_mins(1));
    (guard, clock)
}

pub(crate) async fn spent(
    guard: &PostgresReplayGuard,
    clock: &ManualClock,
    number: u64,
) -> Result<(), GuardError> {
    guard.spend(spend(&account("a"), number, clock.now())).await
}

pub(crate) async fn until_connected(guard: &PostgresReplayGuard) {
    until("connected", async || guard.check().await.is_ok()).await;
}

async fn connect(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_guard_must() {
    let database = fresh_database().await.unwrap();
    let (guard, clock) = settled(database.url()).await;
    let account = account("worker");
    let candidate = Candidate { guard, now: clock.now(), account, run: 1 };
    conformance::check(&candidate, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_one_accepts() {
    race(&fresh_database().await.unwrap()).await;
}

/// A backup holds all tables for as long as it takes, so that none can be truncated.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_keeps_nobody_waiting() {
    let database = fresh_database().await.unwrap();
    settled(database.url()).await;
    let mut backup = connect(&database).await;
    let mut reading = backup.begin().await.unwrap();
    sqlx::query_scalar::<_, i64>(LIVE).fetch_one(&mut *reading).await.unwrap();
    race(&database).await;
    reading.rollback().await.unwrap();
}

/// Also while buckets are emptied, which the first use in each of them begins.
async fn race(database: &Database) {
    let (first, clock) = settled(database.url()).await;
    let second = start(database.url(), &clock).await.unwrap();
    for round in 0..12 {
        let mut tasks = JoinSet::new();
        for number in 0..RACES / 4 {
            for guard in [&first, &second] {
                let (guard, clock) = (Arc::clone(guard), Arc::clone(&clock));
                tasks.spawn(async move { spent(&guard, &clock, round * RACES + number).await });
            }
        }
        let outcomes = tasks.join_all().await;
        let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count() as u64;
        assert_eq!(count(Ok(())), RACES / 4, "{outcomes:?}");
        assert_eq!(count(Err(GuardError::Replayed)), RACES / 4);
        clock.advance(Duration::from_secs(15));
    }
    // Eight buckets of fifteen seconds.
    let live: i64 = sqlx::query_scalar(LIVE).fetch_one(&mut connect(database).await).await.unwrap();
    assert_eq!(live, 8 * 100, "the first four rounds are gone");
}

#[tokio::test]
async fn what_comes_late_lands_in_no_bucket_that_is_for_others() {
    let database = fresh_database().await.unwrap();
    let (slow, behind) = settled(database.url()).await;
    let ahead = Arc::new(ManualClock::at(behind.now() + Duration::from_mins(2)));
    let fast = start(database.url(), &ahead).await.unwrap();
    // Its turn of the bucket that the slow one would use has come: 120 seconds on.
    assert_eq!(spent(&fast, &ahead, 1).await, Ok(()));
    assert_eq!(spent(&slow, &behind, 2).await, Err(GuardError::OutsideWindow));
    behind.set(ahead.now());
    assert_eq!(spent(&slow, &behind, 1).await, Err(GuardError::Replayed));
    assert_eq!(spent(&slow, &behind, 3).await, Ok(()));
}

#[tokio::test]
async fn a_new_database_has_callers_wait_for_the_tolerance() {
    let database = fresh_database().await.unwrap();
    let clock = Arc::new(ManualClock::at(NOON));
    let guard = start(database.url(), &clock).await.unwrap();
    assert!(is_unavailable(&spent(&guard, &clock, 1).await));
    clock.advance(REACH + Duration::from_micros(1));
    assert_eq!(spent(&guard, &clock, 2).await, Ok(()));
    // Others, and the same after a restart, need not wait again.
    let another = start(database.url(), &clock).await.unwrap();
    assert_eq!(spent(&another, &clock, 2).await, Err(GuardError::Replayed));
    assert_eq!(spent(&another, &clock, 3).await, Ok(()));
    // Each counts what it has seen, 2 and 3 the second of them.
    assert_eq!((guard.live_uses(), another.live_uses()), (Some(1), Some(2)));
}

#[tokio::test]
async fn after_a_failover_nothing_is_accepted_twice_and_callers_wait() {
    let database = fresh_database().await.unwrap();
    let (guard, clock) = settled(database.url()).await;
    let another = start(database.url(), &clock).await.unwrap();
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    // A standby that fell behind remembers the timeline that it comes from.
    let mut connection = connect(&database).await;
    connection.execute("UPDATE countersign_nonce_epoch SET identity = 'before'").await.unwrap();
    for table in 0..8 {
        let empty = AssertSqlSafe(format!("TRUNCATE countersign_nonces_{table}"));
        connection.execute(empty).await.unwrap();
    }
    // By the first use, whenever it was last looked at.
    assert!(is_unavailable(&spent(&another, &clock, 1).await));
    until_connected(&another).await;
    assert!(is_unavailable(&spent(&another, &clock, 1).await));
    clock.advance(REACH + Duration::from_micros(1));
    until_connected(&guard).await;
    assert_eq!(spent(&another, &clock, 4).await, Ok(()));
    assert_eq!(spent(&guard, &clock, 4).await, Err(GuardError::Replayed));
}

#[tokio::test]
async fn a_dump_that_was_restored_is_not_what_it_was() {
    let database = fresh_database().await.unwrap();
    let (guard, clock) = settled(database.url()).await;
    let mut connection = connect(&database).await;
    connection.execute("CREATE TABLE dumped AS TABLE countersign_nonce_epoch").await.unwrap();
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    // What was accepted after the dump is gone, and nothing else is different.
    let mut restoring = connection.begin().await.unwrap();
    for table in 0..8 {
        let empty = AssertSqlSafe(format!("TRUNCATE countersign_nonces_{table}"));
        restoring.execute(empty).await.unwrap();
    }
    restoring.execute("DELETE FROM countersign_nonce_epoch").await.unwrap();
    restoring.execute("INSERT INTO countersign_nonce_epoch TABLE dumped").await.unwrap();
    restoring.commit().await.unwrap();
    let another = start(database.url(), &clock).await.unwrap();
    assert!(is_unavailable(&spent(&another, &clock, 1).await));
    assert!(is_unavailable(&spent(&guard, &clock, 2).await));
    clock.advance(REACH + Duration::from_micros(1));
    assert_eq!(spent(&another, &clock, 3).await, Ok(()));
    assert_eq!(spent(&guard, &clock, 3).await, Err(GuardError::Replayed));
}

/// Whoever puts the volume back to a snapshot changes neither the timeline nor a row.
#[tokio::test]
async fn a_snapshot_that_was_put_back_is_found_out_by_whoever_saw_more() {
    let mut postgres = Postgres::of_its_own(Durability::Relaxed).unwrap();
    let database = postgres.fresh_database().await.unwrap();
    let (guard, clock) = settled(database.url()).await;
    let snapshot = postgres.snapshot().unwrap();
    until_connected(&guard).await;
    for number in 1..=3 {
        assert_eq!(spent(&guard, &clock, number).await, Ok(()));
    }
    postgres.put_back(&snapshot).unwrap();
    assert!(is_unavailable(&spent(&guard, &clock, 4).await));
    until_connected(&guard).await;
    let another = start(database.url(), &clock).await.unwrap();
    for number in 1..=3 {
        assert!(is_unavailable(&spent(&another, &clock, number).await), "{number}");
    }
    clock.advance(REACH + Duration::from_micros(1));
    assert_eq!(spent(&another, &clock, 5).await, Ok(()));
    assert_eq!(spent(&guard, &clock, 5).await, Err(GuardError::Replayed));
}

#[tokio::test]
async fn a_bucket_whose_row_is_gone_begins_anew() {
    let database = fresh_database().await.unwrap();
    let (guard, clock) = settled(database.url()).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    let mut connection = connect(&database).await;
    connection.execute("DELETE FROM countersign_nonce_buckets").await.unwrap();
    drop(guard);
    let guard = start(database.url(), &clock).await.unwrap();
    assert!(is_unavailable(&spent(&guard, &clock, 1).await));
    clock.advance(REACH + Duration::from_micros(1));
    assert_eq!(spent(&guard, &clock, 2).await, Ok(()));
}

/// A pooler hands out connections that others have set differently.
#[tokio::test]
async fn no_batch_is_written_without_waiting_for_the_disk() {
    let database = fresh_database().await.unwrap();
    let (guard, clock) = settled(database.url()).await;
    let mut connection = connect(&database).await;
    for statement in [
        "CREATE TABLE seen (mode TEXT)",
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         INSERT INTO seen VALUES (current_setting('synchronous_commit')); \
         PERFORM set_config('synchronous_commit', 'off', false); RETURN NULL; END $$",
    ] {
        connection.execute(statement).await.unwrap();
    }
    for table in 0..8 {
        let trigger = format!(
            "CREATE TRIGGER meddle AFTER INSERT ON countersign_nonces_{table} \
             FOR EACH STATEMENT EXECUTE FUNCTION meddle()"
        );
        connection.execute(AssertSqlSafe(trigger)).await.unwrap();
    }
    for number in 1..=3 {
        assert_eq!(spent(&guard, &clock, number).await, Ok(()));
    }
    let seen: Vec<String> =
        sqlx::query_scalar("SELECT mode FROM seen").fetch_all(&mut connection).await.unwrap();
    assert!(seen.len() >= 3 && seen.iter().all(|mode| mode == "on"), "{seen:?}");
}

#[tokio::test]
async fn a_server_whose_clock_is_wrong_takes_nothing_until_it_is_right() {
    let database = fresh_database().await.unwrap();
    let (engine, limit) = (SystemClock, Duration::from_mins(1));
    let clock = Arc::new(ManualClock::at(engine.now() + 2 * limit));
    let guard = start_within(limit, database.url(), &clock).await.unwrap();
    let said = guard.check().await.unwrap_err().to_string();
    assert!(said.contains("clock is") && said.contains("ahead of the engine's"), "{said}");
    until("right", async || {
        clock.set(engine.now());
        guard.check().await.is_ok()
    })
    .await;
    // As far ahead as may be, and past what may have been forgotten.
    clock.set(engine.now() + REACH + Duration::from_secs(5));
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    // Wrong again, which the next use finds out, and the next look if there is none.
    clock.set(engine.now() + 2 * limit);
    assert!(is_unavailable(&spent(&guard, &clock, 2).await));
    clock.set(engine.now());
    until_connected(&guard).await;
    clock.set(engine.now() + 2 * limit);
    until("noticed", async || guard.check().await.is_err()).await;
}

/// Neither while its clock is wrong nor when a token that it judged by that clock is entered
/// after the clock was set right.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_was_wrong_takes_no_bucket_from_others() {
    const WAITING: &str = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted \
        AND relation = 'countersign_nonce_buckets'::regclass)";
    const FURTHEST: &str = "SELECT max(starts_at) FROM countersign_nonce_buckets";
    let database = fresh_database().await.unwrap();
    let (engine, limit) = (SystemClock, Duration::from_mins(1));
    let clock = Arc::new(ManualClock::at(engine.now()));
    let right = start_within(limit, database.url(), &clock).await.unwrap();
    // Past what may have been forgotten.
    clock.advance(REACH + Duration::from_secs(5));
    let mut connection = connect(&database).await;
    for bucket in 0..8 {
        let wrong = Arc::new(ManualClock::at(clock.now()));
        let server = start_within(limit, database.url(), &wrong).await.unwrap();
        until_connected(&server).await;
        // What waits behind another batch was judged before.
        let mut holding = connection.begin().await.unwrap();
        holding.execute("LOCK TABLE countersign_nonce_buckets").await.unwrap();
        let (early, now) = (Arc::clone(&server), clock.now());
        let early = tokio::spawn(async move {
            let _ = early.spend(spend(&account("a"), 100 + u64::from(bucket), now)).await;
        });
        while !sqlx::query_scalar::<_, bool>(WAITING).fetch_one(&mut *holding).await.unwrap() {
            assert!(!early.is_finished(), "it does not wait");
        }
        let later = clock.now() + Duration::from_hours(1) + bucket * Duration::from_secs(15);
        wrong.set(later);
        let name = account("a");
        // In this order: by the wrong clock it gets as far as the queue.
        let (late, ()) = tokio::join!(
            biased;
            server.spend(spend(&name, 200, later)),
            async {
                wrong.set(clock.now());
                holding.rollback().await.unwrap();
            }
        );
        assert!(late.is_err(), "{late:?}");
        early.await.unwrap();
        wrong.set(later);
        assert!(spent(&server, &wrong, 300).await.is_err());
    }
    let furthest: i64 = sqlx::query_scalar(FURTHEST).fetch_one(&mut connection).await.unwrap();
    assert!(UnixTime::from_micros(furthest) < clock.now() + limit, "{furthest}");
    assert_eq!(spent(&right, &clock, 20).await, Ok(()));
}

#[tokio::test]
async fn a_wait_begins_by_the_later_of_both_clocks() {
    let database = fresh_database().await.unwrap();
    let before = SystemClock.now();
    start(database.url(), &Arc::new(ManualClock::at(UnixTime::from_secs(0)))).await.unwrap();
    let since: i64 = sqlx::query_scalar("SELECT since FROM countersign_nonce_epoch")
        .fetch_one(&mut connect(&database).await)
        .await
        .unwrap();
    assert!(UnixTime::from_micros(since) >= before);
}

#[tokio::test]
async fn an_outage_is_unavailable_until_it_is_over_and_loses_nothing() {
    let mut postgres = Postgres::of_its_own(Durability::Relaxed).unwrap();
    let database = postgres.fresh_database().await.unwrap();
    let (guard, clock) = settled(database.url()).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    postgres.stop().unwrap();
    assert!(is_unavailable(&spent(&guard, &clock, 2).await));
    assert!(is_unavailable(&guard.check().await));
    postgres.start_again().unwrap();
    until_connected(&guard).await;
    assert_eq!(spent(&guard, &clock, 3).await, Ok(()));
    let another = start(database.url(), &clock).await.unwrap();
    assert_eq!(spent(&another, &clock, 1).await, Err(GuardError::Replayed));
}

#[tokio::test]
async fn a_database_that_could_forget_is_refused_or_set_right() {
    let database = fresh_database().await.unwrap();
    let (guard, clock) = settled(database.url()).await;
    drop(guard);
    let mut connection = connect(&database).await;
    connection.execute("ALTER TABLE countersign_nonces_3 SET UNLOGGED").await.unwrap();
    let Err(refused) = start(database.url(), &clock).await else { panic!("accepted") };
    assert!(refused.to_string().contains("countersign_nonces_3 is unlogged"), "{refused}");
    connection.execute("ALTER TABLE countersign_nonces_3 SET LOGGED").await.unwrap();

    // Whoever writes without waiting for the disk is thrown out.
    connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off").await.unwrap();
    connection
        .execute(
            "CREATE FUNCTION must_wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF current_setting('synchronous_commit') = 'off' THEN RAISE 'it does not wait'; END IF; \
             RETURN NEW; END $$",
        )
        .await
        .unwrap();
    for table in 0..8 {
        let trigger = format!(
            "CREATE TRIGGER must_wait BEFORE INSERT ON countersign_nonces_{table} \
             FOR EACH ROW EXECUTE FUNCTION must_wait()"
        );
        connection.execute(AssertSqlSafe(trigger)).await.unwrap();
    }
    let guard = start(database.url(), &clock).await.unwrap();
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    let mut connection = connect(&database).await;
    let careless = connection.execute("INSERT INTO countersign_nonces_0 VALUES ('', '')").await;
    assert!(careless.unwrap_err().to_string().contains("it does not wait"));
}

/// Stands between a guard and PostgreSQL, and breaks the connection over which a use with
/// this in its key was entered, once the database has answered.
async fn swallow_an_answer(postgres: String, mark: &'static [u8]) -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let swallowed = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&swallowed);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&postgres).await.unwrap();
            tokio::spawn(pass(client, server, mark, Arc::clone(&done)));
        }
    });
    (address, swallowed)
}

async fn pass(mut client: TcpStream, mut server: TcpStream, mark: &[u8], done: Arc<AtomicBool>) {
    let (mut asked, mut answered) = ([0; 8192], [0; 8192]);
    let mut is_marked = false;
    loop {
        tokio::select! {
            length = client.read(&mut asked) => {
                let length = length.unwrap_or(0);
                if length == 0 {
                    return;
                }
                is_marked |= asked[..length].windows(mark.len()).any(|bytes| bytes == mark);
                server.write_all(&asked[..length]).await.unwrap();
            }
            length = server.read(&mut answered) => {
                let length = length.unwrap_or(0);
                if length == 0 || is_marked && !done.swap(true, Ordering::SeqCst) {
                    return;
                }
                client.write_all(&answered[..length]).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_knows_its_own_entry() {
    let mark = b"this one";
    let number = u64::from_be_bytes(*mark);
    let database = fresh_database().await.unwrap();
    let (login, rest) = database.url().rsplit_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let (proxy, swallowed) = swallow_an_answer(address.to_owned(), mark).await;
    // In the clear, so that the key can be seen.
    let (guard, clock) = settled(&format!("{login}@{proxy}/{name}?sslmode=disable")).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    assert_eq!(spent(&guard, &clock, number).await, Ok(()));
    assert!(swallowed.load(Ordering::SeqCst));
    let another = start(database.url(), &clock).await.unwrap();
    for number in [1, number] {
        assert_eq!(spent(&another, &clock, number).await, Err(GuardError::Replayed));
    }
}

//! What databases and Redis say of themselves, for operators.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::Clock as _;
use countersign_store::replay::{
    PostgresReplayGuard, RedisDurability, RedisError, RedisProbe, RedisReplayGuard, RedisServer,
    ReplayLimits, SharedLimits,
};
use countersign_store::{
    Database, Durability, PostgresLimits, PostgresServer, PostgresUrl, SqliteFile,
};
use countersign_system::{SystemClock, SystemRandom};
use countersign_testbed::{Redis, fresh_database};
use tempfile::TempDir;

const TOLERANCE: Duration = Duration::from_mins(5);

fn value<'a>(settings: &'a [(String, String)], called: &str) -> &'a str {
    let mut found = settings.iter().filter(|(name, _)| name == called);
    &found.next().unwrap_or_else(|| panic!("no {called} in {settings:?}")).1
}

#[tokio::test]
async fn a_sqlite_file_says_what_a_commit_survives() {
    let directory = TempDir::new().unwrap();
    for (durability, synchronous) in [(Durability::ProcessCrash, "1"), (Durability::PowerLoss, "2")]
    {
        let path = directory.path().join(synchronous);
        let database: Database = SqliteFile::open(&path, durability).await.unwrap().into();
        let found = database.inspect().await.unwrap();
        assert!(found.schema > 0);
        assert_eq!(found.schema, found.expected_schema);
        assert_eq!(value(&found.durability, "synchronous"), synchronous);
        assert_eq!(value(&found.durability, "journal_mode"), "wal");
        assert_eq!(found.guard_waits_until, None);
    }
}

#[tokio::test]
async fn a_postgres_database_says_how_long_its_guard_waits() {
    let place = fresh_database().await.unwrap();
    let url = PostgresUrl::parse(place.url()).unwrap();
    let server = PostgresServer::open(&url, PostgresLimits::default()).await.unwrap();
    let database = Database::from(server.clone());
    let found = database.inspect().await.unwrap();
    assert_eq!(found.schema, found.expected_schema);
    assert_eq!(value(&found.durability, "synchronous_commit").len(), 2);
    assert!(!value(&found.durability, "fsync").is_empty());
    assert_eq!(found.guard_waits_until, None, "none has been here");

    let limits = (ReplayLimits::default(), SharedLimits::default());
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let before = SystemClock.now();
    let _guard = PostgresReplayGuard::start((server, TOLERANCE), limits, clock, random).await;
    let until = database.inspect().await.unwrap().guard_waits_until.unwrap();
    assert!(until >= before + TOLERANCE && until <= SystemClock.now() + TOLERANCE);
}

#[tokio::test]
async fn a_redis_says_what_will_not_do_and_how_long_the_guard_waits() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let server = RedisServer {
        url: redis.url().parse().unwrap(),
        namespace: "tests".parse().unwrap(),
        root_certificate: None,
        durability: RedisDurability::Checked,
    };
    let probe = RedisProbe::new(server.clone(), SharedLimits::default());
    assert_eq!(probe.look().await, Ok(None), "no guard has been here");
    let limits = (ReplayLimits::default(), SharedLimits::default());
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let before = SystemClock.now();
    let _guard = RedisReplayGuard::start((server, TOLERANCE), limits, clock, random).await;
    let until = probe.look().await.unwrap().unwrap();
    assert!(until >= before + TOLERANCE && until <= SystemClock.now() + TOLERANCE);

    redis.command("CONFIG SET maxmemory-policy allkeys-lru").unwrap();
    let Err(RedisError::Unfit(why)) = probe.look().await else { panic!("it would do") };
    assert!(why.contains("maxmemory-policy is allkeys-lru"), "{why}");
}

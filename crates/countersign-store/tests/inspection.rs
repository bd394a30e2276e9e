//! What databases and Redis say of themselves, for operators.

use countersign_store::replay::{
    RedisDurability, RedisError, RedisProbe, RedisServer, SharedLimits,
};
use countersign_store::{
    Database, Durability, PostgresLimits, PostgresServer, PostgresUrl, SqliteFile,
};
use countersign_testbed::{Redis, fresh_database};
use tempfile::TempDir;

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
    }
}

#[tokio::test]
async fn a_postgres_database_says_what_a_commit_survives() {
    let place = fresh_database().await.unwrap();
    let url = PostgresUrl::parse(place.url()).unwrap();
    let server = PostgresServer::open(&url, PostgresLimits::default()).await.unwrap();
    let database = Database::from(server);
    let found = database.inspect().await.unwrap();
    assert_eq!(found.schema, found.expected_schema);
    assert_eq!(value(&found.durability, "synchronous_commit").len(), 2);
    assert!(!value(&found.durability, "fsync").is_empty());
}

#[tokio::test]
async fn a_redis_says_what_will_not_do() {
    let directory = TempDir::new().unwrap();
    let mut redis = Redis::start(directory.path(), &[]).unwrap();
    let server = RedisServer {
        url: redis.url().parse().unwrap(),
        namespace: "tests".parse().unwrap(),
        root_certificate: None,
        durability: RedisDurability::Checked,
    };
    let probe = RedisProbe::new(server, SharedLimits::default());
    assert_eq!(probe.look().await, Ok(()));
    redis.kill().unwrap();
    redis.start_again().unwrap();
    assert_eq!(probe.look().await, Ok(()), "over another connection");
    redis.command("CONFIG SET maxmemory-policy allkeys-lru").unwrap();
    let Err(RedisError::Unfit(why)) = probe.look().await else { panic!("it would do") };
    assert!(why.contains("maxmemory-policy is allkeys-lru"), "{why}");
}

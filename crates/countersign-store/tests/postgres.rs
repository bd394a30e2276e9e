//! The store on a real PostgreSQL: the one suite, and what only a server can do.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::AccountName;
use countersign_core::ports::{Act, AdminStore, AuditFilter, NewAccount, Page, StoreError};
use countersign_core::{AccountId, UnixTime};
use countersign_store::conformance::ImportTarget;
use countersign_store::replay::{Memory, MemoryId};
use countersign_store::{
    LiveDirectory, OpenError, PostgresLimits, PostgresServer, PostgresUrl, Presence, PresenceError,
    RegistryStore, SqlRefreshTokens, SqlStore, conformance,
};
use countersign_testbed::{Durability, Postgres, fresh_database};
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

async fn open(url: &str) -> Result<PostgresServer, OpenError> {
    let url = PostgresUrl::parse(url).expect("a URL");
    // Few, as every test of the suite has its own.
    let limits = PostgresLimits { connections: 4, ..PostgresLimits::default() };
    PostgresServer::open(&url, limits).await
}

/// A store in an empty database.
async fn store() -> Arc<SqlStore> {
    let database = fresh_database().await.expect("a database");
    Arc::new(SqlStore::new(open(database.url()).await.expect("a store")))
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_store_administrates() {
    conformance::administration(async || store().await as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_store_is_a_registry() {
    conformance::registry(async || store().await as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_store_keeps_api_keys() {
    conformance::api_keys(async || store().await as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_store_keeps_refresh_tokens() {
    let fresh = async || {
        let store = store().await;
        let tokens = Arc::new(SqlRefreshTokens::new(store.database().clone()));
        (store as Arc<_>, tokens as Arc<_>)
    };
    conformance::refresh_tokens(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_store_takes_imports() {
    let fresh = async || {
        let store = store().await;
        ImportTarget {
            import: Arc::clone(&store) as Arc<_>,
            tokens: Arc::new(SqlRefreshTokens::new(store.database().clone())),
            registry: store,
        }
    };
    conformance::import(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_store_keeps_signing_keys() {
    conformance::signing_keys(async || store().await as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_store_keeps_visits() {
    let fresh = async || {
        let store = store().await;
        (Arc::clone(&store) as Arc<_>, store as Arc<_>)
    };
    conformance::visits(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_over_postgres_administrates() {
    let live = async || {
        let directory = LiveDirectory::start(store().await as Arc<dyn RegistryStore>, None);
        directory.completed().await;
        Arc::new(directory) as Arc<dyn AdminStore>
    };
    conformance::administration(live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_start_together_make_one_schema() {
    let database = fresh_database().await.expect("a database");
    let mut starts = JoinSet::new();
    for number in 0..32 {
        let url = database.url().to_owned();
        starts.spawn(async move {
            let url = PostgresUrl::parse(&url).expect("a URL");
            let patience = Duration::from_mins(1);
            let limits = PostgresLimits {
                connections: 1,
                connect_timeout: patience,
                statement_timeout: patience,
            };
            let store = SqlStore::new(PostgresServer::open(&url, limits).await.expect("a start"));
            let id = store.instance_id(Uuid::from_u128(number)).await.expect("an id");
            store.database().close().await;
            id
        });
    }
    let mut ids = starts.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1, "one installation");
}

#[tokio::test]
async fn the_connection_is_encrypted_and_the_server_s_certificate_checked() {
    let database = fresh_database().await.expect("a database");
    let server = open(&database.url_with_tls()).await.expect("a store");
    server.close().await;
    let folder = tempfile::tempdir().expect("a folder");
    let stranger = folder.path().join("stranger.pem");
    std::fs::write(&stranger, authority()).expect("a file");
    let url = format!("{}?sslmode=verify-full&sslrootcert={}", database.url(), stranger.display());
    let refused = open(&url).await.expect_err("a stranger");
    assert!(matches!(refused, OpenError::Unusable(_)), "{refused}");
    assert!(refused.to_string().contains("certificate"), "{refused}");
}

/// The certificate of an authority that signed nothing here.
fn authority() -> String {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&rcgen::KeyPair::generate().expect("a key")).expect("an authority").pem()
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up() {
    let database = fresh_database().await.expect("a database");
    let url = PostgresUrl::parse(database.url()).expect("a URL");
    let limits = PostgresLimits {
        statement_timeout: Duration::from_millis(200),
        ..PostgresLimits::default()
    };
    let store = SqlStore::new(PostgresServer::open(&url, limits).await.expect("a store"));
    let mut other = PgConnection::connect(database.url()).await.expect("a connection");
    let mut holding = other.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE countersign_accounts").execute(&mut *holding).await.expect("a lock");

    let name = AccountName::new("someone").expect("a name");
    let asked = tokio::time::timeout(Duration::from_mins(1), store.account(&name));
    let answer = asked.await.expect("an answer");
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    holding.rollback().await.expect("an end");
}

#[tokio::test]
async fn what_keeps_a_server_from_being_reached_is_said_without_the_password() {
    let url = "postgres://someone:secret-word@127.0.0.1:1/nothing";
    let refused = open(url).await.expect_err("nobody listens");
    let text = format!("{refused} {refused:?}");
    assert!(text.contains("refused"), "{text}");
    assert!(!text.contains("secret-word"), "{text}");
    assert!(!format!("{:?}", PostgresUrl::parse(url)).contains("secret-word"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_down_is_used_again_when_it_is_back() {
    let mut postgres = Postgres::of_its_own(Durability::Relaxed).expect("a cluster");
    let database = postgres.fresh_database().await.expect("a database");
    let url = PostgresUrl::parse(database.url()).expect("a URL");
    let limits =
        PostgresLimits { connect_timeout: Duration::from_secs(1), ..PostgresLimits::default() };
    let server = PostgresServer::open(&url, limits).await.expect("a database");
    let store = SqlStore::new(server);
    let name = AccountName::new("robot").expect("a name");
    let act = Act { actor: "olga".to_owned(), at: UnixTime::from_secs(1), from: None };
    let new =
        NewAccount { id: AccountId(Uuid::from_u128(1)), name: name.clone(), groups: Vec::new() };
    store.create_account(&act, new).await.expect("an account");

    postgres.stop().expect("a stop");
    for _ in 0..3 {
        let down = store.account(&name).await;
        assert!(matches!(down, Err(StoreError::Unavailable(_))), "{down:?}");
    }
    postgres.start_again().expect("a start");
    assert!(store.account(&name).await.expect("an answer").is_some());
    let page = Page { after: None, limit: 10 };
    assert_eq!(store.audit(&AuditFilter::default(), page).await.expect("an answer").len(), 1);
}

/// How long a place that others had is not taken up.
const WINDOW: Duration = Duration::from_millis(500);

/// How many have asked for a place and not got it.
async fn other_waits(connection: &mut PgConnection) -> i64 {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND state = 'idle in transaction' AND query LIKE '%advisory%' \
        AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')";
    sqlx::query_scalar(waiting).fetch_one(connection).await.expect("a number")
}

fn redis(number: u8) -> Memory {
    Memory::Shared(MemoryId::drawn([number; 4]))
}

fn stays(memory: Memory) -> watch::Receiver<Memory> {
    watch::Sender::new(memory).subscribe()
}

async fn take(url: &str, memory: Memory) -> Result<Presence, PresenceError> {
    let server = open(url).await.expect("a server");
    Presence::take(server, stays(memory), (Duration::ZERO, WINDOW)).await
}

/// Waits until a server has its place, or has not.
async fn until_kept(presence: &Presence, wanted: bool) {
    let until = async {
        while presence.is_kept() != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), until).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_alone_on_its_database_or_among_those_that_share_its_memory() {
    let database = fresh_database().await.expect("a database");
    let url = database.url();
    let alone = take(url, Memory::Own).await.expect("a place");
    for memory in [Memory::Own, Memory::Unknown, Memory::DATABASE, redis(1)] {
        let outcome = take(url, memory).await;
        assert!(matches!(outcome, Err(PresenceError::Taken)), "{memory:?}");
    }
    drop(alone);
    let server = open(url).await.expect("a server");
    let patience = (Duration::from_mins(1), WINDOW);
    let first = Presence::take(server, stays(redis(1)), patience).await.expect("a place");
    let second = take(url, redis(1)).await.expect("a place");
    drop(first);
    for memory in [Memory::DATABASE, redis(2)] {
        let outcome = take(url, memory).await;
        assert!(matches!(outcome, Err(PresenceError::Elsewhere)), "{memory:?}");
    }
    assert!(matches!(take(url, Memory::Own).await, Err(PresenceError::Taken)));
    take(url, Memory::Unknown).await.expect("a place that accepts nothing");
    drop(second);
    let server = open(url).await.expect("a server");
    Presence::take(server, stays(redis(2)), patience).await.expect("a place");
    let elsewhere = fresh_database().await.expect("a database");
    take(elsewhere.url(), Memory::Own).await.expect("a place at another database");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_earlier_versions_are_seen_and_may_start() {
    const SHARED: &str = "BEGIN; SELECT pg_advisory_xact_lock_shared(7165074649412629110)";
    let database = fresh_database().await.expect("a database");
    let earlier = async || {
        let mut connection = PgConnection::connect(database.url()).await.expect("a connection");
        sqlx::raw_sql("SET lock_timeout = 1").execute(&mut connection).await.expect("a limit");
        sqlx::raw_sql(SHARED).execute(&mut connection).await.map(|_| connection)
    };
    let before = earlier().await.expect("a place");
    assert!(matches!(take(database.url(), Memory::Own).await, Err(PresenceError::Taken)));
    let presence = take(database.url(), redis(1)).await.expect("a place");
    let after = earlier().await.expect("a place");
    drop((before, presence, after));
    let server = open(database.url()).await.expect("a server");
    let patience = (Duration::from_mins(1), WINDOW);
    let alone = Presence::take(server, stays(Memory::Own), patience).await.expect("a place");
    earlier().await.expect_err("a place beside one that is alone");
    assert!(alone.is_kept());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_servers_that_start_at_once_only_those_of_one_memory_have_a_place() {
    // What a server holds while it looks for others.
    const TURN: i64 = 7_165_074_649_412_629_111;
    const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND NOT granted";
    let database = fresh_database().await.expect("a database");
    let mut connection = PgConnection::connect(database.url()).await.expect("a connection");
    let hold = sqlx::query("SELECT pg_advisory_lock($1)").bind(TURN);
    hold.execute(&mut connection).await.expect("a lock");
    let mut starting = Vec::new();
    for number in [1, 2, 1, 2] {
        let server = open(database.url()).await.expect("a server");
        let memory = stays(redis(number));
        starting.push(async move {
            (number, Presence::take(server, memory, (Duration::ZERO, WINDOW)).await)
        });
    }
    let starting: Vec<_> = starting.into_iter().map(tokio::spawn).collect();
    while sqlx::query_scalar(WAITING).fetch_one(&mut connection).await.ok() != Some(4_i64) {
        assert!(!starting.iter().any(tokio::task::JoinHandle::is_finished), "it did not wait");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(connection);
    let mut given = Vec::new();
    for one in starting {
        match one.await.expect("it goes on") {
            (number, Ok(presence)) => given.push((number, presence)),
            (_, Err(PresenceError::Elsewhere)) => {}
            (number, Err(error)) => panic!("{number}: {error}"),
        }
    }
    let memories: Vec<u8> = given.iter().map(|(number, _)| *number).collect();
    assert!(matches!(*memories, [1, 1] | [2, 2]), "{memories:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_that_becomes_known_later_is_judged_then() {
    let database = fresh_database().await.expect("a database");
    let server = open(database.url()).await.expect("a server");
    let memory = watch::Sender::new(Memory::Unknown);
    let patience = (Duration::ZERO, WINDOW);
    let late = Presence::take(server, memory.subscribe(), patience).await.expect("a place");
    let others = take(database.url(), redis(1)).await.expect("a place");
    memory.send_replace(redis(1));
    until_kept(&late, true).await;
    // Another Redis at the same address.
    memory.send_replace(redis(2));
    assert!(!late.is_kept());
    tokio::time::sleep(2 * WINDOW).await;
    assert!(!late.is_kept(), "others are there");
    drop(others);
    until_kept(&late, true).await;
    assert!(matches!(take(database.url(), redis(1)).await, Err(PresenceError::Elsewhere)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_was_lost_is_taken_again_or_known_to_be_taken() {
    const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let database = fresh_database().await.expect("a database");
    let mut connection = PgConnection::connect(database.url()).await.expect("a connection");
    let alone = take(database.url(), Memory::Own).await.expect("a place");
    let server = open(database.url()).await.expect("a server");
    let patience = (Duration::from_mins(1), WINDOW);
    let other = tokio::spawn(Presence::take(server, stays(Memory::Own), patience));
    // Quicker than the one that looks once a second, as it is connected.
    while other_waits(&mut connection).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sqlx::query(CUT).execute(&mut connection).await.expect("a cut");
    let other = other.await.expect("it goes on").expect("a place");
    until_kept(&alone, false).await;
    drop(other);
    until_kept(&alone, true).await;
    assert!(matches!(take(database.url(), Memory::Own).await, Err(PresenceError::Taken)));
}

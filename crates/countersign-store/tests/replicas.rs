//! Several directories on one PostgreSQL database: what one of them changes, the others know
//! within the second that is promised, or else they ask the database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_core::ports::{
    AccountChange, AccountKeys, Act, AdminStore, ApiKeyStore, AuditFilter, Directory, NewAccount,
    NewApiKey, NewPublicKey, Page, TokenDirectory,
};
use countersign_core::{
    AccountId, AccountName, ApiKeyId, GroupName, KeyKind, PrivateKey, PublicKey, SecretHash,
    UnixTime,
};
use countersign_store::{
    Following, LiveDirectory, OutOfTouch, PostgresLimits, PostgresServer, PostgresTrail,
    PostgresUrl, SqlStore,
};
use countersign_testbed::{Durability, Postgres, fresh_database};
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

/// What is promised.
const BOUND: Duration = Duration::from_secs(1);
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server's part: a store, and a directory that follows it.
struct Replica {
    store: Arc<SqlStore>,
    directory: LiveDirectory,
}

impl Replica {
    async fn on(url: &str) -> Self {
        let url = PostgresUrl::parse(url).expect("a URL");
        let limits = PostgresLimits {
            connections: 4,
            connect_timeout: Duration::from_secs(1),
            ..PostgresLimits::default()
        };
        let server = PostgresServer::open(&url, limits).await.expect("a database");
        let store = Arc::new(SqlStore::new(server.clone()));
        let trail = Arc::new(PostgresTrail::new(server));
        let out_of_touch = OutOfTouch::AskTheStore;
        let following = Following { trail, signing_keys: None, out_of_touch };
        let directory = LiveDirectory::follow(Arc::clone(&store) as _, None, following);
        directory.completed().await;
        Self { store, directory }
    }

    async fn find(&self, called: &str) -> Option<Arc<AccountKeys>> {
        self.directory.find(&name(called)).await.expect("an answer")
    }

    /// Whether the answers come from memory.
    fn is_settled(&self) -> bool {
        self.directory.version().is_some()
    }
}

fn act() -> Act {
    Act { actor: "olga".to_owned(), at: UnixTime::from_secs(1_800_000_000), from: None }
}

fn name(name: &str) -> AccountName {
    AccountName::new(name).expect("a name")
}

fn key() -> PublicKey {
    PrivateKey::generate(KeyKind::Ed25519).expect("a key").public_key().clone()
}

async fn create(store: &dyn AdminStore, number: u128, called: &str) -> String {
    let id = AccountId(Uuid::from_u128(number));
    let new = NewAccount { id, name: name(called), groups: Vec::new() };
    store.create_account(&act(), new).await.expect("an account");
    add_key(store, called).await
}

/// Gives an account one more key; what it is called.
async fn add_key(store: &dyn AdminStore, called: &str) -> String {
    let key = key();
    let new = NewPublicKey { key: key.clone(), comment: String::new(), expires_at: None };
    store.add_public_key(&act(), &name(called), new).await.expect("a key");
    key.fingerprints().openssh()
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_on_one_is_seen_by_the_other() {
    let database = fresh_database().await.expect("a database");
    let (one, other) = (Replica::on(database.url()).await, Replica::on(database.url()).await);
    let (admin, robot) = (&one.directory, name("robot"));

    let print = create(admin, 1, "robot").await;
    until("the account", async || other.find("robot").await.is_some_and(|a| a.keys.len() == 1))
        .await;
    add_key(admin, "robot").await;
    until("a second key", async || other.find("robot").await.is_some_and(|a| a.keys.len() == 2))
        .await;
    admin.revoke_public_key(&act(), &robot, &print).await.expect("a revocation");
    until("the revocation", async || other.find("robot").await.is_some_and(|a| a.keys[0].revoked))
        .await;
    let groups = AccountChange::SetGroups(vec![GroupName::new("billing").expect("a group")]);
    admin.change_account(&act(), &robot, groups).await.expect("a change");
    until("the group", async || other.find("robot").await.is_some_and(|a| a.groups.len() == 1))
        .await;
    admin.change_account(&act(), &robot, AccountChange::SetDisabled(true)).await.expect("a change");
    until("the disabling", async || other.find("robot").await.is_some_and(|a| a.disabled)).await;

    let hash = SecretHash::from_bytes([7; 32]);
    let id = ApiKeyId(Uuid::from_u128(7));
    let new = NewApiKey { id, hash, comment: String::new(), expires_at: None };
    admin.add_api_key(&act(), &robot, new).await.expect("an API key");
    let by_key = async || other.directory.find_by_api_key(&hash).await.expect("an answer");
    until("the API key", async || by_key().await.is_some()).await;
    let token = Uuid::from_u128(9);
    let remember_until = UnixTime::from_secs(2_000_000_000);
    admin.revoke_token(&act(), token, remember_until).await.expect("a revocation");
    let revoked = async || other.directory.is_token_revoked(token).await.expect("an answer");
    until("the revoked token", revoked).await;

    // A command changes the database without any server.
    create(&*one.store, 2, "imported").await;
    for replica in [&one, &other] {
        until("the import", async || replica.find("imported").await.is_some()).await;
    }
    admin.delete_account(&act(), &robot).await.expect("a deletion");
    until("the deletion", async || other.find("robot").await.is_none()).await;
    assert!(by_key().await.is_none());
    until("peace", async || one.is_settled() && other.is_settled()).await;
    assert!(other.find("robot").await.is_none(), "in memory too");
}

/// Revokes keys on the first replica while all of them are asked without a pause. For each
/// revocation the time from its answer to the last lookup anywhere that did not know it.
async fn last_acceptances(replicas: &Arc<Vec<Replica>>, revocations: usize) -> Vec<Duration> {
    let admin = &replicas[0].directory;
    let mut spans = Vec::new();
    for _ in 0..revocations {
        let print: Arc<str> = add_key(admin, "robot").await.into();
        let mut watches = JoinSet::new();
        for number in 0..replicas.len() {
            let (replicas, print) = (Arc::clone(replicas), Arc::clone(&print));
            let known = async move |print: &str| {
                let account = replicas[number].find("robot").await.expect("the account");
                let key = |key: &&countersign_core::ports::RegisteredKey| {
                    key.key.fingerprints().openssh() == print
                };
                account.keys.iter().find(key).map(|key| key.revoked)
            };
            watches.spawn(async move {
                while known(&print).await.is_none() {
                    tokio::task::yield_now().await;
                }
                let mut accepted = Instant::now();
                while known(&print).await == Some(false) {
                    accepted = Instant::now();
                    tokio::task::yield_now().await;
                }
                accepted
            });
        }
        // Another account's changes go on meanwhile.
        add_key(&replicas[1].directory, "busy").await;
        until("all know the key", async || {
            for replica in &**replicas {
                let account = replica.find("robot").await.expect("the account");
                if !account.keys.iter().any(|key| key.key.fingerprints().openssh() == *print) {
                    return false;
                }
            }
            true
        })
        .await;
        admin.revoke_public_key(&act(), &name("robot"), &print).await.expect("a revocation");
        let answered = Instant::now();
        let watching = tokio::time::timeout(PATIENCE, watches.join_all());
        let last = watching.await.expect("all know").into_iter().max().expect("replicas");
        spans.push(last.saturating_duration_since(answered));
    }
    spans
}

#[expect(clippy::print_stdout, reason = "what was measured is for whoever runs the test")]
fn judge(case: &str, spans: &[Duration]) {
    let mut histogram = BTreeMap::<u128, usize>::new();
    for span in spans {
        *histogram.entry(span.as_millis().next_power_of_two()).or_default() += 1;
    }
    println!("{case}: from the answer to the last acceptance anywhere, {} times", spans.len());
    for (below, times) in histogram {
        println!("  up to {below:>5} ms: {times}");
    }
    let late: Vec<_> = spans.iter().filter(|span| **span > BOUND).collect();
    assert!(late.is_empty(), "{case}: {late:?}");
}

async fn three(url: &str) -> Arc<Vec<Replica>> {
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Replica::on(url).await);
    }
    create(&replicas[0].directory, 1, "robot").await;
    create(&replicas[0].directory, 2, "busy").await;
    Arc::new(replicas)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_accepted_later_than_a_second_after_its_revocation() {
    let database = fresh_database().await.expect("a database");
    let replicas = three(database.url()).await;
    judge("notified", &last_acceptances(&replicas, 50).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_when_the_connections_that_listen_are_cut_again_and_again() {
    let database = fresh_database().await.expect("a database");
    let replicas = three(database.url()).await;
    let cuts = Arc::new(AtomicUsize::new(0));
    let cutting = tokio::spawn(cut_listeners(database.url().to_owned(), Arc::clone(&cuts)));
    judge("not notified", &last_acceptances(&replicas, 50).await);
    assert!(!cutting.is_finished(), "it went on to the end");
    cutting.abort();
    let cuts = cuts.load(Ordering::Relaxed);
    println!("{cuts} connections were cut");
    assert!(cuts > 50, "{cuts}");
}

async fn cut_listeners(url: String, cuts: Arc<AtomicUsize>) {
    let listeners = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let mut connection = PgConnection::connect(&url).await.expect("a connection");
    loop {
        let cut = sqlx::query(listeners).fetch_all(&mut connection).await.expect("an answer");
        cuts.fetch_add(cut.len(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_there_are_no_answers_and_with_it_they_are_right_again() {
    let mut postgres = Postgres::of_its_own(Durability::Relaxed).expect("a cluster");
    let database = postgres.fresh_database().await.expect("a database");
    let (one, other) = (Replica::on(database.url()).await, Replica::on(database.url()).await);
    create(&one.directory, 1, "robot").await;
    until("the account", async || other.find("robot").await.is_some() && other.is_settled()).await;

    postgres.stop().expect("a stop");
    let lost = async || other.directory.find(&name("robot")).await.is_err();
    until("no answer from memory", lost).await;
    assert!(other.directory.find(&name("nobody")).await.is_err(), "nor that there is none");
    assert!(other.directory.is_token_revoked(Uuid::nil()).await.is_err());
    assert!(!other.directory.is_in_touch());
    postgres.start_again().expect("a start");
    let disable = AccountChange::SetDisabled(true);
    let disabled = async || {
        one.directory.change_account(&act(), &name("robot"), disable.clone()).await.is_ok()
    };
    until("a change", disabled).await;
    let known = async || {
        let found = other.directory.find(&name("robot")).await;
        other.is_settled() && found.is_ok_and(|found| found.is_some_and(|a| a.disabled))
    };
    until("the change", known).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_trail_is_another_one_everything_is_read_again() {
    let database = fresh_database().await.expect("a database");
    let replica = Replica::on(database.url()).await;
    create(&replica.directory, 1, "robot").await;
    create(&replica.directory, 2, "gone").await;
    until("peace", async || replica.is_settled()).await;
    let mut connection = PgConnection::connect(database.url()).await.expect("a connection");
    for statement in [
        "UPDATE countersign_accounts SET disabled = TRUE WHERE name = 'robot'",
        "DELETE FROM countersign_accounts WHERE name = 'gone'",
        "DELETE FROM countersign_audit",
    ] {
        sqlx::query(statement).execute(&mut connection).await.expect("a change");
    }
    let anew = async || {
        let robot = replica.find("robot").await.is_some_and(|account| account.disabled);
        robot && replica.is_settled() && replica.find("gone").await.is_none()
    };
    until("what no row tells of", anew).await;
    // And what comes then is followed.
    create(&*replica.store, 3, "next").await;
    until("the next", async || replica.find("next").await.is_some() && replica.is_settled()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_changes_from_all_sides_all_know_what_the_database_knows() {
    let database = fresh_database().await.expect("a database");
    let replicas = three(database.url()).await;
    let mut changing = JoinSet::new();
    for number in 0..replicas.len() {
        let replicas = Arc::clone(&replicas);
        changing.spawn(async move {
            let admin = &replicas[number].directory;
            for turn in 0..20_u128 {
                let own = format!("own-{number}-{}", turn % 4);
                let id = 100 * (number as u128 + 1) + turn;
                create(admin, id, &own).await;
                for account in ["robot", own.as_str()] {
                    let disabled = AccountChange::SetDisabled(turn % 2 == 0);
                    admin.change_account(&act(), &name(account), disabled).await.expect("a change");
                    add_key(admin, account).await;
                }
                if turn % 4 != 3 || turn < 16 {
                    admin.delete_account(&act(), &name(&own)).await.expect("a deletion");
                }
            }
        });
    }
    changing.join_all().await;
    for replica in &*replicas {
        for account in ["robot", "busy", "own-0-3", "own-1-3", "own-2-3", "own-0-0"] {
            let same = async || {
                let known = replica.find(account).await;
                let stored = replica.store.account(&name(account)).await.expect("an answer");
                let keys = replica.store.public_keys(&name(account)).await.expect("an answer");
                let known = known.map(|known| (known.id, known.disabled, known.keys.len()));
                let keys = keys.map_or(0, |keys| keys.len());
                replica.is_settled()
                    && known == stored.map(|stored| (stored.id, stored.disabled, keys))
            };
            until(account, same).await;
        }
    }
    let rows = replicas[0]
        .store
        .audit(&AuditFilter::default(), Page { after: None, limit: 1000 })
        .await
        .expect("rows");
    assert!(rows.len() > 200, "{}", rows.len());
}

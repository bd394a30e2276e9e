//! The language-neutral vectors over a real socket: the same files that core
//! runs, against the server with its directory, its database and its journal.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Extension;
use countersign_core::ports::{
    AccountChange, Act, AdminStore as _, NewAccount, NewPublicKey, ReplayGuard,
};
use countersign_core::{
    AccountId, AccountName, Binding, BoundTo, Clock, GroupName, KeyKind, PrivateKey, PublicKey,
    RequestBinding, RequestSigner, SignedRequestPolicy, UnixTime,
};
use countersign_server::{PeerAddress, Ports, Service, Settings};
use countersign_store::replay::{DurableReplayGuard, JournalLimits, ReplayLimits, SqlJournal};
use countersign_store::{Durability, LiveDirectory, SqlStore, SqliteFile};
use countersign_system::SystemRandom;
use countersign_vectors::{Case, Expected, Step, TestAccount, Topic};

use crate::support::public_from;
use crate::support::raw::{Connection, RawAnswer, serve};

const INSTANCE: &str = "instance-of-the-vectors";

struct At(UnixTime);

impl Clock for At {
    fn now(&self) -> UnixTime {
        self.0
    }
}

/// A running server on the database in a directory.
struct Server {
    now: UnixTime,
    database: SqliteFile,
    directory: LiveDirectory,
    guard: Arc<dyn ReplayGuard>,
    /// Public listeners by the names the service goes by, and whether one is required.
    listeners: BTreeMap<(Vec<String>, bool), SocketAddr>,
}

impl Server {
    async fn start(data: &Path, now: UnixTime) -> Self {
        let path = data.join("test.db");
        let database = SqliteFile::open(&path, Durability::ProcessCrash).await.unwrap();
        let store = Arc::new(SqlStore::new(database.clone()));
        let directory = LiveDirectory::start(store, None);
        directory.completed().await;
        let journal = Arc::new(SqlJournal::new(database.clone()));
        let limits = (ReplayLimits::default(), JournalLimits::default());
        let guard = DurableReplayGuard::open(journal, limits, Arc::new(At(now)), &SystemRandom);
        let guard = Arc::new(guard.await.unwrap());
        Self { now, database, directory, guard, listeners: BTreeMap::new() }
    }

    /// Ends it as far as its callers can tell, and starts another in its place.
    async fn restart(self, data: &Path) -> Self {
        self.directory.close().await.unwrap();
        self.database.close().await;
        Self::start(data, self.now).await
    }

    fn service(&self, audiences: Vec<String>, binding: Binding) -> Service {
        let ports = Ports {
            directory: Arc::new(self.directory.clone()),
            guard: Arc::clone(&self.guard),
            store: Arc::new(self.directory.clone()),
            visits: Arc::new(countersign_store::MemoryStore::default()),
            tokens: None,
            clock: Arc::new(At(self.now)),
            random: Arc::new(SystemRandom),
        };
        let policy = SignedRequestPolicy { audiences, binding, ..SignedRequestPolicy::default() };
        Service::new(ports, Settings { policy, ..Settings::new(INSTANCE) }).unwrap()
    }

    /// Where a service listens that goes by the names of this case.
    async fn public(&mut self, case: &Case) -> SocketAddr {
        let names = (case.audiences.clone(), case.audience_required);
        if let Some(address) = self.listeners.get(&names) {
            return *address;
        }
        let binding = if case.audience_required { Binding::Audience } else { Binding::Free };
        let service = self.service(case.audiences.clone(), binding);
        let address = serve(public_from(&service, "192.0.2.7:4711")).await;
        self.listeners.insert(names, address);
        address
    }

    fn act(&self) -> Act {
        Act { actor: "the-test".into(), at: self.now, from: None }
    }

    async fn load(&self, account: TestAccount, keys: &BTreeMap<String, PublicKey>) {
        let act = self.act();
        let name = AccountName::new(&account.name).unwrap();
        let groups = account.groups.iter().map(|group| GroupName::new(group).unwrap()).collect();
        let id = AccountId(account.id.parse().unwrap());
        let new = NewAccount { id, name: name.clone(), groups };
        self.directory.create_account(&act, new).await.unwrap();
        for test_key in account.keys {
            let key = keys[&test_key.key].clone();
            let fingerprint = key.fingerprints().openssh();
            let expires_at = test_key.expires_at.map(UnixTime::from_secs);
            let new = NewPublicKey { key, comment: test_key.key, expires_at };
            self.directory.add_public_key(&act, &name, new).await.unwrap();
            if test_key.revoked {
                let directory = &self.directory;
                directory.revoke_public_key(&act, &name, &fingerprint).await.unwrap();
            }
        }
        if account.disabled {
            let change = AccountChange::SetDisabled(true);
            self.directory.change_account(&act, &name, change).await.unwrap();
        }
    }
}

/// One question of a gateway, on a connection of its own.
async fn ask(address: SocketAddr, step: &Step) -> RawAnswer {
    let mut request = "GET /forward-auth HTTP/1.1\r\nHost: localhost\r\n".to_owned();
    for value in &step.authorization {
        request.extend(["Authorization: ", value, "\r\n"]);
    }
    let mut connection = Connection::open(address).await;
    connection.send(request + "\r\n").await;
    connection.answer().await
}

async fn ask_at_once(address: SocketAddr, step: &Step) -> Vec<RawAnswer> {
    let ask = || {
        let step = step.clone();
        tokio::spawn(async move { ask(address, &step).await })
    };
    let tasks: Vec<_> = (0..step.at_once).map(|_| ask()).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// The account in an answer that allows; `None` in one that refuses.
fn account_in(answer: &RawAnswer) -> Option<String> {
    match answer.status() {
        200 => {
            let account = answer.headers("x-auth-account");
            assert_eq!(account.len(), 1, "{answer:?}");
            Some(percent_encoding::percent_decode_str(account[0]).decode_utf8().unwrap().into())
        }
        401 => None,
        _ => panic!("{answer:?}"),
    }
}

/// An answer without what is allowed to differ between two refusals.
fn without_ids(answer: &RawAnswer) -> String {
    let differs = |line: &&str| {
        let line = line.to_ascii_lowercase();
        line.starts_with("x-request-id:") || line.starts_with("date:")
    };
    let lines: Vec<&str> = answer.head.lines().filter(|line| !differs(line)).collect();
    format!("{}\n{}", lines.join("\n"), answer.body)
}

fn check(name: &str, step: &Step, answers: &[RawAnswer]) {
    let accepted: Vec<String> = answers.iter().filter_map(account_in).collect();
    let expected = match &step.expected {
        Expected::Accept { account } => vec![account.clone(); answers.len()],
        Expected::AcceptOne { account, .. } => vec![account.clone()],
        Expected::Refuse { .. } => vec![],
    };
    assert_eq!(accepted, expected, "{name}");
}

async fn loaded_server(data: &Path, topics: &[Topic]) -> Server {
    let now: BTreeSet<i64> = topics.iter().map(|topic| topic.now).collect();
    assert_eq!(now.len(), 1, "one server has one clock");
    let server = Server::start(data, UnixTime::from_secs(*now.first().unwrap())).await;
    let keys = countersign_vectors::keys()
        .into_iter()
        .map(|key| (key.name, PublicKey::read(key.public_pem.as_bytes()).unwrap().key))
        .collect();
    for account in countersign_vectors::accounts() {
        server.load(account, &keys).await;
    }
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_case_comes_out_over_http_as_it_says() {
    let data = tempfile::tempdir().unwrap();
    let topics = countersign_vectors::topics();
    let mut server = loaded_server(data.path(), &topics).await;
    let mut refusals = BTreeSet::new();
    let mut total = 0;
    for case in topics.iter().flat_map(|topic| &topic.cases) {
        for step in &case.steps {
            if step.after_restart {
                server = server.restart(data.path()).await;
            }
            let answers = ask_at_once(server.public(case).await, step).await;
            check(&case.name, step, &answers);
            let refused = answers.iter().filter(|answer| answer.status() == 401);
            refusals.extend(refused.map(without_ids));
        }
        total += 1;
    }
    println!("{total} cases over HTTP");
    assert!(total > 200, "cases are missing");
    assert_eq!(refusals.len(), 1, "refusals tell reasons apart: {refusals:#?}");
}

#[tokio::test]
async fn public_keys_are_taken_and_refused_over_http_as_the_vectors_say() {
    let data = tempfile::tempdir().unwrap();
    let topics = countersign_vectors::topics();
    let server = loaded_server(data.path(), &topics).await;
    let operator = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let name = AccountName::new("operator").unwrap();
    let groups = vec![GroupName::new("admin").unwrap()];
    let id = AccountId(uuid::Uuid::from_u128(99));
    let new = NewAccount { id, name: name.clone(), groups };
    server.directory.create_account(&server.act(), new).await.unwrap();
    let key = operator.public_key().clone();
    let new = NewPublicKey { key, comment: String::new(), expires_at: None };
    server.directory.add_public_key(&server.act(), &name, new).await.unwrap();

    let peer = Extension(PeerAddress("127.0.0.1:4711".parse().unwrap()));
    let address = serve(server.service(Vec::new(), Binding::Free).internal().layer(peer)).await;
    let signer = RequestSigner::new(name, operator);
    for case in countersign_vectors::public_key_cases() {
        let body = serde_json::json!({"public_key": case.public_pem}).to_string();
        let path = "/v1/accounts/dave-has-no-key/keys";
        let binding =
            RequestBinding::of("POST", &format!("http://{address}{path}"), body.as_bytes());
        let to = BoundTo { audience: INSTANCE, request: &binding };
        let authorization =
            signer.bound_authorization(&At(server.now), &SystemRandom, &to).unwrap();
        let mut connection = Connection::open(address).await;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.send(request).await;
        let answer = connection.answer().await;
        let expected = if case.error.is_some() { 422 } else { 200 };
        assert_eq!(answer.status(), expected, "{}: {answer:?}", case.name);
    }
}

//! The console's list of accounts: what a page of it takes with a hundred thousand
//! accounts, against the same page with a thousand.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Body, to_bytes};
use countersign_benches::clock::Stopwatch;
use countersign_benches::pairs::{PAIRS, Ratios};
use countersign_benches::report::{Limit, Row, print};
use countersign_core::ports::{Act, AdminStore as _, NewAccount, NewPublicKey};
use countersign_core::{
    ADMIN_GROUP, AccountName, BoundTo, Clock as _, GroupName, KeyKind, PrivateKey, RequestBinding,
    RequestSigner,
};
use countersign_server::api::{ConsoleLink, routes};
use countersign_server::{Ports, Service, Settings};
use countersign_store::replay::{ReplayLimits, ReplayWheel};
use countersign_store::{Durability, LiveDirectory, SqlStore, SqliteFile};
use countersign_system::{SystemClock, SystemRandom, random_account_id};
use http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use tower::ServiceExt as _;

const FEW: usize = 1_000;
const MANY: usize = 100_000;
/// Loads of a page in one half of a pair.
const LOADS: usize = 20;
/// What a page may take of the time with few accounts.
const MOST: f64 = 1.5;
const ADDRESS: &str = "localhost:8081";
const INSTANCE: &str = "bench";

/// The measured pages. The names in the middle are there in both lists.
const PAGES: [(&str, &str); 4] = [
    ("the first page", "/console/accounts"),
    ("a page in the middle", "/console/accounts?after=robot-000500"),
    ("the newest accounts", "/console/accounts?sort=newest"),
    ("search for a name", "/console/accounts?search=robot-0007"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let (few, many) = (Console::with(FEW).await?, Console::with(MANY).await?);
    let mut rows = Vec::new();
    for (name, path) in PAGES {
        let mut ratios = Vec::new();
        for pair in 0..PAIRS {
            // Who is first has the colder caches: each is, every other time.
            let (first, second) = if pair % 2 == 0 { (&few, &many) } else { (&many, &few) };
            let (first, second) = (first.loads(path).await?, second.loads(path).await?);
            ratios.push(if pair % 2 == 0 { second / first } else { first / second });
        }
        let ratios = Ratios::new(ratios);
        rows.push(Row { name: name.to_owned(), ratios, limit: Limit::AtMost, value: MOST });
    }
    let title = "The console with 100,000 accounts: times what it takes with 1,000";
    Ok(if print(title, &rows) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An internal listener, and a visitor of its console.
struct Console {
    router: Router,
    cookie: String,
    _directory: tempfile::TempDir,
}

impl Console {
    async fn with(accounts: usize) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = SqliteFile::open(&directory.path().join("db"), Durability::default()).await?;
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let stored = Arc::new(SqlStore::new(file));
        let store = LiveDirectory::start(stored.clone(), None);
        let ports = Ports {
            directory: Arc::new(store.clone()),
            guard: Arc::new(ReplayWheel::new(ReplayLimits::default(), clock.clone(), &*random)),
            store: Arc::new(store.clone()),
            visits: stored,
            tokens: None,
            clock: clock.clone(),
            random: random.clone(),
        };
        let router = Service::new(ports, Settings::new(INSTANCE))?.internal();
        let act = Act { actor: "bench".into(), at: clock.now(), from: None };
        for number in 0..accounts {
            let name = AccountName::new(&format!("robot-{number:06}"))?;
            let id = random_account_id(&*random);
            store.create_account(&act, NewAccount { id, name, groups: Vec::new() }).await?;
        }
        let (name, groups) = (AccountName::new("admin")?, vec![GroupName::new(ADMIN_GROUP)?]);
        let id = random_account_id(&*random);
        store.create_account(&act, NewAccount { id, name: name.clone(), groups }).await?;
        let key = PrivateKey::generate(KeyKind::Ed25519)?;
        let public = key.public_key().clone();
        let new = NewPublicKey { key: public, comment: String::new(), expires_at: None };
        store.add_public_key(&act, &name, new).await?;
        let cookie = sign_in(&router, &RequestSigner::new(name, key)).await?;
        Ok(Self { router, cookie, _directory: directory })
    }

    /// The time of some loads of a page, in seconds.
    async fn loads(&self, path: &str) -> anyhow::Result<f64> {
        let watch = Stopwatch::start();
        for _ in 0..LOADS {
            let request = Request::get(path).header(HOST, ADDRESS).header(COOKIE, &self.cookie);
            let response = self.router.clone().oneshot(request.body(Body::empty())?).await?;
            ensure!(response.status() == StatusCode::OK, "{path}: {}", response.status());
            to_bytes(response.into_body(), usize::MAX).await?;
        }
        Ok(watch.elapsed().as_secs_f64())
    }
}

/// Comes in as an operator does; the session's cookie.
async fn sign_in(router: &Router, operator: &RequestSigner) -> anyhow::Result<String> {
    let uri = format!("http://{ADDRESS}{}", routes::CONSOLE_LINKS);
    let binding = RequestBinding::of("POST", &uri, b"");
    let to = BoundTo { audience: INSTANCE, request: &binding };
    let signed = operator.bound_authorization(&SystemClock, &SystemRandom, &to)?;
    let call = Request::post(routes::CONSOLE_LINKS).header(HOST, ADDRESS);
    let call = call.header(AUTHORIZATION, signed).body(Body::empty())?;
    let answer = router.clone().oneshot(call).await?;
    ensure!(answer.status() == StatusCode::CREATED, "no link: {}", answer.status());
    let link: ConsoleLink =
        serde_json::from_slice(&to_bytes(answer.into_body(), usize::MAX).await?)?;
    let secret = link.path.split_once('?').context("a link")?.1.to_owned();
    let press = Request::post("/console/sign-in").header(HOST, ADDRESS).body(Body::from(secret))?;
    let answer = router.clone().oneshot(press).await?;
    ensure!(answer.headers().contains_key(LOCATION), "not signed in: {}", answer.status());
    let cookie = answer.headers().get(SET_COOKIE).context("a cookie")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

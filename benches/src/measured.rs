//! The measured server: the empty handler with one bare signature check on one
//! address, Countersign's public router on another, in one process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context as _;
use axum::routing::any;
use axum::{Router, ServiceExt as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::ports::{
    Act, AdminStore as _, NewAccount, NewPublicKey, ReplayGuard, ReplayKey, Spend,
};
use countersign_core::{AccountId, Clock as _, PublicKey};
use countersign_server::layers::{Layers, Limits};
use countersign_server::{
    Ports, PublicService, RequestContexts, Service, Settings, TrustedProxies,
};
use countersign_store::replay::{
    DurableReplayGuard, JournalBatch, JournalLimits, NonceJournal as _, RecordedUse, ReplayLimits,
    ReplayWheel, SqlJournal,
};
use countersign_store::{Durability, LiveDirectory, MemoryStore, SqliteFile};
use countersign_system::SystemRandom;
use http::StatusCode;
use serde_json::json;

use crate::arrivals::{Arrivals, Noting};
use crate::bare::BareCheck;
use crate::clock::{NOW, Opening, Stopped};
use crate::shared_guards;
use crate::tokens::{Counter, account, ed25519};

/// How many nonces one batch of the prepared journal has.
const JOURNAL_BATCH: usize = 8192;
/// The window that the tokens of the prepared nonces lie in, either way.
const WINDOW: Duration = Duration::from_secs(20);

/// Which guard is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// In process.
    Memory,
    /// Journalled in SQLite.
    Durable,
    /// In the PostgreSQL database of this URL.
    Postgres(String),
    /// In the Redis of this URL.
    Redis(String),
}

/// What the measured server is given.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which guard.
    pub guard: Guard,
    /// How many accounts there are.
    pub accounts: usize,
    /// How many live nonces were spent before.
    pub nonces: usize,
    /// The one key of all accounts; `None` gives each its own Ed25519 key.
    pub key: Option<PublicKey>,
    /// An `Authorization` value of account 0 for the bare check.
    pub sample: String,
}

impl Setup {
    /// The arguments that make this program start as the measured server.
    ///
    /// # Errors
    /// If the directory for its data cannot be written.
    pub fn to_arguments(&self, directory: &Path) -> anyhow::Result<[String; 2]> {
        let data = tempfile::tempdir_in(directory)?.keep();
        let setup = json!({
            "durable": self.guard == Guard::Durable,
            "postgres": match &self.guard { Guard::Postgres(url) => Some(url), _ => None },
            "redis": match &self.guard { Guard::Redis(url) => Some(url), _ => None },
            "accounts": self.accounts,
            "nonces": self.nonces,
            "key": self.key.as_ref().map(|key| URL_SAFE_NO_PAD.encode(key.to_spki_der())),
            "sample": self.sample,
        });
        let file = data.join("setup.json");
        std::fs::write(&file, setup.to_string())?;
        Ok(["--measured".to_owned(), file.to_str().context("a printable path")?.to_owned()])
    }

    /// Reads the arguments back, with the directory for the data; `None` if
    /// this is not the measured server.
    ///
    /// # Errors
    /// If the file does not hold what [`to_arguments`](Self::to_arguments) wrote.
    pub fn from_arguments(
        mut arguments: impl Iterator<Item = String>,
    ) -> anyhow::Result<Option<(Self, PathBuf)>> {
        if arguments.next().as_deref() != Some("--measured") {
            return Ok(None);
        }
        let file = PathBuf::from(arguments.next().context("a file")?);
        let setup: serde_json::Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        let number = |name: &str| setup[name].as_u64().and_then(|n| usize::try_from(n).ok());
        let key = match setup["key"].as_str() {
            Some(text) => Some(PublicKey::from_spki_der(&URL_SAFE_NO_PAD.decode(text)?)?),
            None => None,
        };
        let url = |name: &str| setup[name].as_str().map(str::to_owned);
        let guard = match (url("postgres"), url("redis")) {
            (Some(url), _) => Guard::Postgres(url),
            (_, Some(url)) => Guard::Redis(url),
            _ if setup["durable"] == true => Guard::Durable,
            _ => Guard::Memory,
        };
        let setup = Self {
            guard,
            accounts: number("accounts").context("accounts")?,
            nonces: number("nonces").context("nonces")?,
            key,
            sample: setup["sample"].as_str().context("sample")?.to_owned(),
        };
        let data = file.parent().context("a directory")?.to_owned();
        Ok(Some((setup, data)))
    }
}

/// Serves until it is killed, on one worker as on a machine with one core.
///
/// # Errors
/// If something cannot be set up.
pub fn serve((setup, data): (Setup, PathBuf)) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().build()?.block_on(async move {
        let bare = bare_router(&setup)?;
        let ours = countersign(&setup, &data).await?;
        let (first, second) = (listen().await?, listen().await?);
        announce(&first)?;
        announce(&second)?;
        let bare = tokio::spawn(async move { axum::serve(first, bare).await });
        axum::serve(second, ours.into_make_service()).await?;
        bare.await??;
        Ok(())
    })
}

/// Serves our part alone, and tells on a second address when requests came.
///
/// # Errors
/// If something cannot be set up.
pub fn serve_noting((setup, data): (Setup, PathBuf)) -> anyhow::Result<()> {
    note_arrivals(async move { countersign(&setup, &data).await })
}

pub(crate) fn note_arrivals(
    service: impl Future<Output = anyhow::Result<PublicService>>,
) -> anyhow::Result<()> {
    let arrivals = Arc::new(Arrivals::default());
    let worker = Arc::clone(&arrivals);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().on_thread_park(move || worker.goes_to_sleep());
    runtime.build()?.block_on(async move {
        let service = service.await?;
        let (first, second) = (listen().await?, listen().await?);
        announce(&first)?;
        announce(&second)?;
        let told = Arc::clone(&arrivals);
        let telling = tokio::spawn(async move { told.tell(second).await });
        axum::serve(Noting(first, arrivals), service.into_make_service()).await?;
        telling.await?
    })
}

pub(crate) async fn listen() -> anyhow::Result<axum::serve::TapIo<tokio::net::TcpListener, NoDelay>>
{
    use axum::serve::ListenerExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let no_delay: NoDelay = |stream| drop(stream.set_nodelay(true));
    Ok(listener.tap_io(no_delay))
}

pub(crate) type NoDelay = fn(&mut tokio::net::TcpStream);

#[expect(clippy::print_stdout, reason = "this is how the load learns the addresses")]
pub(crate) fn announce(
    listener: &axum::serve::TapIo<tokio::net::TcpListener, NoDelay>,
) -> anyhow::Result<()> {
    use axum::serve::Listener as _;
    println!("{}", listener.local_addr()?);
    Ok(())
}

/// One bare signature check and nothing else, behind the public layers.
fn bare_router(setup: &Setup) -> anyhow::Result<Router> {
    let token = setup.sample.strip_prefix("JWT ").context("a token")?;
    let (input, signature) = token.rsplit_once('.').context("a signature")?;
    let key = setup.key.clone().unwrap_or_else(|| ed25519(0).public_key().clone());
    let bare = Arc::new(BareCheck::new(&key));
    let (input, signature) = (Arc::<str>::from(input), URL_SAFE_NO_PAD.decode(signature)?);
    let signature = Arc::<[u8]>::from(signature);
    let check = move || {
        let (bare, input, signature) =
            (Arc::clone(&bare), Arc::clone(&input), Arc::clone(&signature));
        async move {
            if bare.verify(input.as_bytes(), &signature) {
                StatusCode::OK
            } else {
                StatusCode::UNAUTHORIZED
            }
        }
    };
    let layers = Layers::new(
        Arc::new(RequestContexts::new(TrustedProxies::default(), &SystemRandom)),
        Limits::PUBLIC,
        |_| axum::response::IntoResponse::into_response(StatusCode::SERVICE_UNAVAILABLE),
    );
    Ok(layers.observe(layers.limit(Router::new().route("/forward-auth", any(check)))))
}

async fn countersign(setup: &Setup, data: &Path) -> anyhow::Result<PublicService> {
    let store = Arc::new(MemoryStore::default());
    let act = Act { actor: "benchmark".into(), at: NOW, from: None };
    for index in 0..setup.accounts {
        let id = AccountId(uuid::Uuid::from_u128(index as u128 + 1));
        let new = NewAccount { id, name: account(index), groups: Vec::new() };
        store.create_account(&act, new).await?;
        let key = setup.key.clone().unwrap_or_else(|| ed25519(index).public_key().clone());
        let new = NewPublicKey { key, comment: String::new(), expires_at: None };
        store.add_public_key(&act, &account(index), new).await?;
    }
    let directory = LiveDirectory::start(store, None);
    directory.completed().await;
    let ports = Ports {
        directory: Arc::new(directory.clone()),
        guard: guard(setup, data).await?,
        store: Arc::new(directory),
        visits: Arc::new(MemoryStore::default()),
        tokens: None,
        clock: Arc::new(Stopped),
        random: Arc::new(Counter(AtomicU64::new(0))),
    };
    Ok(Service::new(ports, Settings::new("benchmark"))?.public())
}

async fn guard(setup: &Setup, data: &Path) -> anyhow::Result<Arc<dyn ReplayGuard>> {
    let (limits, clock) = (ReplayLimits::default(), Arc::new(Stopped));
    if let Guard::Postgres(url) | Guard::Redis(url) = &setup.guard {
        let clock = Arc::new(Opening::behind(Stopped));
        let guard = match &setup.guard {
            Guard::Redis(_) => shared_guards::redis(url, WINDOW, Arc::clone(&clock) as _).await,
            _ => shared_guards::postgres(url, WINDOW, Arc::clone(&clock) as _).await,
        };
        clock.strike();
        return guard;
    }
    if setup.guard == Guard::Memory {
        let wheel = ReplayWheel::new(limits, clock, &SystemRandom);
        for index in 0..setup.nonces {
            let recorded = spent(index);
            wheel.record(&Spend {
                key: recorded.key,
                account: &account(index % setup.accounts),
                time: recorded.time,
                tolerance: WINDOW,
            })?;
        }
        return Ok(Arc::new(wheel));
    }
    let database = SqliteFile::open(&data.join("nonces.db"), Durability::ProcessCrash).await?;
    let journal = Arc::new(SqlJournal::new(database));
    for first in (0..setup.nonces).step_by(JOURNAL_BATCH) {
        let last = setup.nonces.min(first + JOURNAL_BATCH);
        let batch = JournalBatch {
            uses: (first..last).map(spent).collect(),
            oldest_time: NOW - WINDOW,
            newest_time: NOW + WINDOW,
            expires_at: NOW + WINDOW * 3,
            refused_before: Stopped.now() - WINDOW * 2,
        };
        journal.append(batch).await?;
    }
    let limits = (limits, JournalLimits::default());
    Ok(Arc::new(DurableReplayGuard::open(journal, limits, clock, &SystemRandom).await?))
}

/// A use that was made earlier: its time somewhere in the window.
fn spent(index: usize) -> RecordedUse {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &index.to_le_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&digest.as_ref()[..16]);
    let offset = Duration::from_micros(index as u64 % 40_000_000);
    RecordedUse { key: ReplayKey::from_bytes(key), time: NOW - WINDOW + offset }
}

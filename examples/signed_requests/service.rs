//! An axum service whose callers sign each request with a key of their own. It knows
//! their public keys from a file, and keeps the nonces they have spent in another, so
//! that a request works once, also across a restart.

#![expect(clippy::print_stdout, reason = "it says where it listens")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::routing::{get, post};
use clap::Parser;
use countersign_store::replay::{DurableReplayGuard, SqlJournal};
use countersign_store::{AccountFile, Durability, SqliteFile};
use countersign_system::{SystemClock, SystemRandom};
use countersign_tower::{Identity, Policy, RequireAuth, SignedRequests, require_group};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Serves the callers of an account file.
#[derive(Parser)]
struct Arguments {
    /// The callers and their public keys; read again at SIGHUP.
    #[arg(long, default_value = "accounts.toml")]
    accounts: PathBuf,
    /// Where spent nonces are kept.
    #[arg(long, default_value = "nonces.db")]
    nonces: PathBuf,
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let accounts = Arc::new(AccountFile::open(arguments.accounts)?);
    let guard = Arc::new(replay_guard(&arguments.nonces).await?);
    let signed_requests = SignedRequests::of(Arc::clone(&accounts) as _, guard);
    let policy = Policy::accepting(signed_requests).realm("books").build()?;
    tokio::spawn(reload_at_hangup(accounts));

    let app = Router::new()
        .route("/close", post(async || "closed\n").route_layer(require_group("billing")))
        .route("/", get(hello))
        .layer(RequireAuth::new(policy));

    let listener = TcpListener::bind(arguments.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn hello(caller: Identity) -> String {
    format!("Hello, {}!\n", caller.account())
}

/// What makes each request work once. The file is this process's alone: a second one that is
/// started beside it stops with an error.
async fn replay_guard(file: &Path) -> Result<DurableReplayGuard> {
    let file = SqliteFile::open(file, Durability::default()).await?;
    let journal = Arc::new(SqlJournal::exclusive(file)?);
    let (limits, clock) = (Default::default(), Arc::new(SystemClock));
    Ok(DurableReplayGuard::open(journal, limits, clock, &SystemRandom).await?)
}

/// A key that is gone from the file is refused on the next request.
async fn reload_at_hangup(accounts: Arc<AccountFile>) -> Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    while hangup.recv().await.is_some() {
        match accounts.reload() {
            Ok(()) => println!("{} accounts", accounts.len()),
            Err(error) => println!("the accounts stay as they were: {error}"),
        }
    }
    Ok(())
}

//! `countersign serve`: from settings to a running server, and to its end.

mod announcement;
mod assemble;
mod clocks;
mod first_start;
mod guard_wait;
mod listeners;
mod original_keys;
mod place;
mod rate_limits;
mod replay_guard;
mod self_checks;
mod surroundings;
mod tokens;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use countersign_server::Service;
use countersign_store::{RegistryStore as _, SqlStore};
use countersign_system::{SystemRandom, random_account_id};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::assemble::Assembled;
pub(crate) use self::guard_wait::GUARD_WAIT;
use self::listeners::Listeners;
use crate::config::{self, ServeOptions, Settings};
use crate::data_directory::{DataDirectory, ServerFile};
use crate::databases::Databases;
use crate::encryption_key;
use crate::failure::Failure;
use crate::listener::Listener;
use crate::logging;
use crate::service_manager;
use crate::shutdown::StopSignals;
use crate::traces::Traces;

const AFTER_HELP: &str = "\
Examples:
  countersign serve
  countersign serve --listen 0.0.0.0:8443 --tls-cert chain.pem --tls-key key.pem
  countersign serve --config /etc/countersign/countersign.toml

Every option is also a variable (COUNTERSIGN_LISTEN) and a key of the settings
file (listen = \"0.0.0.0:8443\"). The command line comes first, then the
environment, then the file. Spans have a unit: 500ms, 20s, 5m, 90d.

SIGTERM and SIGINT let requests under way finish; a second one does not wait.";

/// How long the store may take to close: requests that were cut off may still
/// hold it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ServeArgs {
    /// A settings file (TOML); paths in it are relative to it.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    options: ServeOptions,
}

pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    let settings = config::settings(args.options, args.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("countersign")
        .enable_all()
        .build()
        .map_err(Failure::refused)?;
    let traces = settings.otlp.as_ref().map(|to| Traces::start(to, runtime.handle().clone()));
    let traces = traces.transpose()?;
    logging::start(settings.log_format, settings.log_level, traces.as_ref());
    let directory = DataDirectory::open(&settings.data_dir)?;
    runtime.block_on(serve(settings, directory, traces))
}

async fn serve(
    settings: Settings,
    directory: DataDirectory,
    traces: Option<Traces>,
) -> Result<(), Failure> {
    let mut signals = StopSignals::watch()?;
    // Before anything is written: a port that is taken changes nothing.
    let listeners = Listeners::bind(&settings).await?;
    let encryption_key = encryption_key::find(&settings, &directory.paths)?;
    let databases = Databases::open(&settings, &directory).await?;
    let store = SqlStore::new(databases.main.clone());
    let start = async {
        let admin = first_start::admin(&settings, &directory.paths, &store).await?;
        let candidate = random_account_id(&SystemRandom).0;
        let instance_id = store.instance_id(candidate).await.map_err(Failure::refused)?;
        let instance_id = instance_id.to_string();
        let stores = (databases, store.clone());
        let assembled =
            Assembled::new(&settings, stores, encryption_key, instance_id.clone()).await?;
        Ok((admin, instance_id, assembled))
    };
    // It may wait for others to end.
    let started: Result<_, Failure> = tokio::select! {
        started = start => started,
        signal = signals.next() => {
            tracing::info!(signal, "stopped before it was ready");
            return Ok(());
        }
    };
    let (admin, instance_id, assembled) =
        started.map_err(|failure| failure.of_start(settings.database.named(&directory.paths)))?;

    let server_file = ServerFile {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance_id,
        public: listeners.public.url(),
        internal: listeners.internal.url(),
        envoy: listeners.envoy.as_ref().map(Listener::url),
        tls_cert: listeners.certificate_file(),
    };
    server_file.write(&directory.paths.server_file())?;
    announcement::say(&server_file, &directory.paths, &admin, settings.log_format);
    service_manager::ready();
    let deadline = run_until_stopped(&settings, listeners, &assembled.service, &mut signals).await;
    if let Some(traces) = traces {
        traces.stop(deadline.saturating_duration_since(Instant::now())).await;
    }

    // Whoever looks for a server finds none. The lock is held until the last
    // line is written.
    let _ = std::fs::remove_file(directory.paths.server_file());
    if tokio::time::timeout(CLOSE_TIMEOUT, assembled.close()).await.is_err() {
        tracing::warn!("the store did not close in time; nothing that was answered is lost");
    }
    drop(directory);
    Ok(())
}

/// Serves until a signal comes and load balancers have noticed, then lets requests under way
/// finish, but not for longer than the drain timeout or until a second signal. Says when that
/// timeout is over.
async fn run_until_stopped(
    settings: &Settings,
    listeners: Listeners,
    service: &Service,
    signals: &mut StopSignals,
) -> Instant {
    let stop = CancellationToken::new();
    let mut serving = std::pin::pin!(listeners.serve(service, settings.limits, &stop));
    let signal = tokio::select! {
        signal = signals.next() => signal,
        // They end only when they are told to.
        _ = &mut serving => return Instant::now() + settings.limits.drain_timeout,
    };
    let deadline = Instant::now() + settings.limits.drain_delay + settings.limits.drain_timeout;
    tracing::info!(signal, "stopping: requests under way may finish");
    service_manager::stopping();
    service.readiness().drain();
    stop.cancel();
    tokio::select! {
        cut_off = serving => match cut_off {
            0 => tracing::info!("stopped"),
            connections => tracing::warn!(connections, "stopped: these took too long"),
        },
        signal = signals.next() => {
            tracing::warn!(signal, "stopped without waiting");
            return Instant::now();
        }
    }
    deadline
}

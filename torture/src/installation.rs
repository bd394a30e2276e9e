//! The servers, each between two networks that can be bad.

use std::time::Duration;

use anyhow::{Context as _, Result};
use interop::{Behaviour, Countersign, Proxy, SteppedClock};
use tokio::sync::{Mutex, MutexGuard};

use crate::engine::EngineServers;
use crate::plan::{Engine, Plan, TOLERANCE};

/// How long a server that is cut from its database lets each request wait for it, which makes a
/// partition last longer.
const DATABASE_WAIT: Duration = Duration::from_secs(2);

/// What is tortured.
pub(crate) struct Installation {
    replicas: Vec<Replica>,
    engine: Option<Mutex<EngineServers>>,
    accounts_are_in_the_engine: bool,
}

/// A server, the proxy that its callers reach it by, and the one that it reaches its engine by.
pub(crate) struct Replica {
    server: Mutex<Countersign>,
    network: Proxy,
    to_engine: Option<Proxy>,
}

impl Installation {
    pub(crate) async fn start(plan: &Plan) -> Result<Self> {
        let tolerance = format!("--tolerance={}s", TOLERANCE.as_secs());
        let guard = match plan.engine {
            Engine::Memory => "memory",
            Engine::Sqlite => "durable",
            Engine::Postgres => "database",
            Engine::Redis => "redis",
        };
        let options = [tolerance, format!("--replay-guard={guard}")];
        if plan.engine.is_a_server() {
            return Self::on_servers(plan, options.into()).await;
        }
        let options = options.each_ref().map(String::as_str);
        let server = Countersign::start_with_clock(SteppedClock::new()?, &options).await?;
        let replicas = vec![Replica::of(server, None).await?];
        Ok(Self { replicas, engine: None, accounts_are_in_the_engine: false })
    }

    async fn on_servers(plan: &Plan, mut options: Vec<String>) -> Result<Self> {
        let engine = EngineServers::start(plan.engine == Engine::Redis)?;
        let database = engine.postgres().fresh_database().await?;
        options.push(format!("--database-connect-timeout={}s", DATABASE_WAIT.as_secs()));
        let mut replicas = Vec::new();
        for number in 0..plan.engine.replicas() {
            let to_engine = Proxy::start(&engine.address(&database), Behaviour::Honest).await?;
            let (url, redis) = engine.urls_by_way_of(to_engine.address(), &database);
            let redis = redis.map(|url| format!("--redis-url={url}"));
            let words: Vec<_> = options.iter().chain(&redis).map(String::as_str).collect();
            let clock = SteppedClock::new()?;
            let server = Countersign::start_on_postgres_with_clock(clock, &url, &words).await?;
            if number == 0 {
                let key = server.encryption_key();
                options.push(format!("--encryption-key-file={}", key.display()));
            }
            replicas.push(Replica::of(server, Some(to_engine)).await?);
        }
        let accounts_are_in_the_engine = plan.engine == Engine::Postgres;
        Ok(Self { replicas, engine: Some(Mutex::new(engine)), accounts_are_in_the_engine })
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Whether what remembers spent nonces knows the accounts, too.
    pub(crate) fn accounts_are_in_the_engine(&self) -> bool {
        self.accounts_are_in_the_engine
    }

    /// The servers that remember for all of them, for one who breaks them.
    pub(crate) async fn engine(&self) -> Result<MutexGuard<'_, EngineServers>> {
        Ok(self.engine.as_ref().context("the engine is no server")?.lock().await)
    }
}

impl Replica {
    async fn of(server: Countersign, to_engine: Option<Proxy>) -> Result<Self> {
        let network = Proxy::start(server.address(), Behaviour::Honest).await?;
        Ok(Self { server: Mutex::new(server), network, to_engine })
    }

    /// The server itself, for one who administrates or breaks it.
    pub(crate) async fn server(&self) -> MutexGuard<'_, Countersign> {
        self.server.lock().await
    }

    /// What is between it and its callers.
    pub(crate) fn network(&self) -> &Proxy {
        &self.network
    }

    /// What is between it and the server that remembers spent nonces.
    pub(crate) fn to_engine(&self) -> Result<&Proxy> {
        self.to_engine.as_ref().context("the engine is no server")
    }
}

//! The servers, each behind a network that can be bad.

use anyhow::{Context as _, Result};
use interop::{Behaviour, Countersign, Proxy, SteppedClock};
use tokio::sync::{Mutex, MutexGuard};

use crate::engine::EngineServers;
use crate::plan::{Engine, Plan, TOLERANCE};

/// What is tortured.
pub(crate) struct Installation {
    replicas: Vec<Replica>,
    engine: Option<Mutex<EngineServers>>,
}

/// A server, and the proxy that its callers reach it by.
pub(crate) struct Replica {
    server: Mutex<Countersign>,
    network: Proxy,
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
        Ok(Self { replicas: vec![Replica::of(server).await?], engine: None })
    }

    async fn on_servers(plan: &Plan, mut options: Vec<String>) -> Result<Self> {
        let engine = EngineServers::start(plan.engine == Engine::Redis)?;
        let database = engine.postgres().fresh_database().await?;
        options.extend(engine.redis_url().map(|url| format!("--redis-url={url}")));
        let mut replicas = Vec::new();
        for number in 0..plan.engine.replicas() {
            let words: Vec<_> = options.iter().map(String::as_str).collect();
            let clock = SteppedClock::new()?;
            let server =
                Countersign::start_on_postgres_with_clock(clock, database.url(), &words).await?;
            if number == 0 {
                let key = server.encryption_key();
                options.push(format!("--encryption-key-file={}", key.display()));
            }
            replicas.push(Replica::of(server).await?);
        }
        Ok(Self { replicas, engine: Some(Mutex::new(engine)) })
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// The servers that remember for all of them, for one who breaks them.
    pub(crate) async fn engine(&self) -> Result<MutexGuard<'_, EngineServers>> {
        Ok(self.engine.as_ref().context("the engine is no server")?.lock().await)
    }
}

impl Replica {
    async fn of(server: Countersign) -> Result<Self> {
        let network = Proxy::start(server.address(), Behaviour::Honest).await?;
        Ok(Self { server: Mutex::new(server), network })
    }

    /// The server itself, for one who administrates or breaks it.
    pub(crate) async fn server(&self) -> MutexGuard<'_, Countersign> {
        self.server.lock().await
    }

    /// What is between it and its callers.
    pub(crate) fn network(&self) -> &Proxy {
        &self.network
    }
}

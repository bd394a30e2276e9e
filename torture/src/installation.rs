//! The servers, each behind a network that can be bad.

use anyhow::Result;
use interop::{Behaviour, Countersign, Proxy, SteppedClock};
use tokio::sync::{Mutex, MutexGuard};

use crate::plan::{Engine, Plan, TOLERANCE};

/// What is tortured.
pub(crate) struct Installation {
    replicas: Vec<Replica>,
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
            Engine::Memory => "--replay-guard=memory",
            Engine::Sqlite => "--replay-guard=durable",
        };
        let clock = SteppedClock::new()?;
        let server = Countersign::start_with_clock(clock, &[&tolerance, guard]).await?;
        Ok(Self { replicas: vec![Replica::of(server).await?] })
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
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

//! A server on a simulated host.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use axum::body::Body;
use countersign_core::ports::{GuardError, ReplayGuard, Spend};
use countersign_server::{PeerAddress, Ports, PublicService, Service, Settings};
use countersign_store::replay::{
    BreakerLimits, CircuitBreaker, RedisDurability, RedisNetwork, RedisReplayGuard, RedisServer,
    RedisStream, ReplayLimits, SharedLimits,
};
use countersign_store::{LiveDirectory, MemoryStore};
use http::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo};
use tower::Service as _;
use turmoil::net::{TcpListener, TcpStream};

use super::clock::HostClock;
use super::host::{HTTP, Host, REDIS};
use super::plan::{Flaw, TOLERANCE};
use super::random::Seeded;

/// What of a replica outlives its process.
#[derive(Clone)]
pub(super) struct Replica {
    pub(super) clock: Arc<HostClock>,
    pub(super) random: Arc<Seeded>,
    pub(super) store: Arc<MemoryStore>,
    pub(super) flaw: Flaw,
}

impl Replica {
    /// Serves until its host ends.
    pub(super) async fn serve(self) -> turmoil::Result {
        let public = self.service().await?.public();
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, HTTP)).await?;
        loop {
            let (stream, peer) = listener.accept().await?;
            // A local task: those end in their order when the host does.
            tokio::task::spawn_local(converse(stream, peer, public.clone()));
        }
    }

    async fn service(&self) -> Result<Service> {
        let accounts = LiveDirectory::start(Arc::clone(&self.store) as _, None);
        let ports = Ports {
            directory: Arc::new(accounts.clone()),
            guard: self.guard().await?,
            store: Arc::new(accounts),
            visits: Arc::clone(&self.store) as _,
            tokens: None,
            clock: Arc::clone(&self.clock) as _,
            random: Arc::clone(&self.random) as _,
        };
        let mut settings = Settings::new("simulation");
        settings.policy.tolerance = TOLERANCE;
        Ok(Service::new(ports, settings)?)
    }

    /// As the settings of a server make it, or the broken one.
    async fn guard(&self) -> Result<Arc<dyn ReplayGuard>> {
        if self.flaw == Flaw::AsksThenWrites {
            return Ok(Arc::new(AsksThenWrites));
        }
        let server = RedisServer {
            url: format!("redis://{}:{REDIS}", Host::Engine).parse()?,
            namespace: "simulation".parse()?,
            root_certificate: None,
            durability: RedisDurability::Checked,
        };
        let limits = (ReplayLimits::with_capacity(10_000), SharedLimits::default());
        let surroundings = (Arc::clone(&self.clock) as _, Arc::clone(&self.random) as _);
        let network = Arc::new(Network);
        let guard =
            RedisReplayGuard::start_over(network, (server, TOLERANCE), limits, surroundings);
        Ok(Arc::new(CircuitBreaker::around(Arc::new(guard.await?), BreakerLimits::default())))
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, public: PublicService) {
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let mut public = public.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(PeerAddress(peer));
            public.call(request).await
        }
    });
    // A caller that goes away is no failure.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The simulated network, as the guard's driver takes it.
struct Network;

#[async_trait]
impl RedisNetwork for Network {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn RedisStream>> {
        Ok(Box::new(TcpStream::connect(address).await?))
    }
}

/// What everyone writes first: asks whether the token was used, and if not, writes down that
/// it is.
struct AsksThenWrites;

#[async_trait]
impl ReplayGuard for AsksThenWrites {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        let unavailable = |error: redis::RedisError| GuardError::Unavailable(error.to_string());
        let asked = tokio::time::timeout(SharedLimits::default().answer, ask_then_write(&spend));
        match asked.await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(GuardError::Replayed),
            Ok(Err(error)) => Err(unavailable(error)),
            Err(_) => Err(GuardError::Unavailable("it does not answer".to_owned())),
        }
    }
}

async fn ask_then_write(spend: &Spend<'_>) -> redis::RedisResult<bool> {
    let stream = TcpStream::connect((Host::Engine.name(), REDIS)).await?;
    let (settings, config) = (RedisConnectionInfo::default(), AsyncConnectionConfig::default());
    let (mut redis, driver) =
        MultiplexedConnection::new_with_config(&settings, stream, config).await?;
    tokio::spawn(driver);
    let key = spend.key.as_bytes();
    let found: Option<Vec<u8>> = redis::cmd("GET").arg(key).query_async(&mut redis).await?;
    if found.is_none() {
        let () = redis::cmd("SET").arg(key).arg("used").query_async(&mut redis).await?;
    }
    Ok(found.is_none())
}

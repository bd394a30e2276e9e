//! Which servers take keys, and which keys.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, TlsCertificates};

use super::cluster::{self, Listed};
use super::network::RedisNetwork;
use super::sentinels::{self, Named};
use super::session::RedisError;
use super::url::{Topology, at};
use crate::replay::limits::SharedLimits;

/// How many slots the keys of a cluster fall into.
const SLOTS: u16 = 16_384;

/// A connected master, and the slots whose keys it takes.
pub(super) struct Master {
    pub(super) connection: MultiplexedConnection,
    pub(super) slots: Vec<RangeInclusive<u16>>,
    /// What those who know of it call it, if there are any.
    pub(super) name: String,
}

/// Who may take a master's place.
#[derive(Clone, Debug)]
pub(super) enum Failover {
    /// As far as is known, nobody.
    Unknown,
    /// One of its replicas, as soon as the sentinels say so.
    BySentinels(Named),
    /// One of so many replicas, as soon as the cluster says so.
    ByCluster(u32),
}

impl Master {
    /// Whether it takes this key.
    pub(super) fn takes(&self, key: &[u8]) -> bool {
        // Our keys have no braces, so all of a key is hashed.
        let slot = crc16::State::<crc16::XMODEM>::calculate(key) % SLOTS;
        self.slots.iter().any(|slots| slots.contains(&slot))
    }
}

/// How connections are made.
pub(super) struct Dialer {
    /// What connects instead of the driver.
    network: Option<Arc<dyn RedisNetwork>>,
    certificates: TlsCertificates,
    config: AsyncConnectionConfig,
    limits: SharedLimits,
}

impl Dialer {
    pub(super) fn new(
        network: Option<Arc<dyn RedisNetwork>>,
        root_certificate: Option<Vec<u8>>,
        limits: SharedLimits,
    ) -> Self {
        Self {
            network,
            limits,
            certificates: TlsCertificates { client_tls: None, root_cert: root_certificate },
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(limits.connect))
                .set_response_timeout(Some(limits.answer)),
        }
    }

    /// Connects to all masters, as the topology has them now.
    pub(super) async fn masters(&self, topology: &Topology) -> Result<Vec<Master>, RedisError> {
        let slots = vec![0..=SLOTS - 1];
        match topology {
            Topology::Single(server) => {
                let connection = self.connect(server).await?;
                Ok(vec![Master { connection, slots, name: String::new() }])
            }
            Topology::Sentinels { sentinels, service } => {
                let named = sentinels::named(self, sentinels, service).await?;
                let server = at(&sentinels[0], named.host.clone(), named.port);
                let connection = self.connect(&server).await?;
                Ok(vec![Master { connection, slots, name: named.address() }])
            }
            Topology::Cluster(seeds) => {
                let mut failure = RedisError::Unreachable("the cluster has no server".to_owned());
                for seed in seeds {
                    match self.cluster(seed).await {
                        Ok(masters) => return Ok(masters),
                        Err(error) => failure = error,
                    }
                }
                Err(failure)
            }
        }
    }

    /// Who may take the place of each of these masters, which are all that there are.
    ///
    /// # Errors
    /// [`RedisError::Unreachable`] if the topology has others by now.
    pub(super) async fn failovers(
        &self,
        topology: &Topology,
        masters: &[&Master],
    ) -> Result<Vec<Failover>, RedisError> {
        match topology {
            Topology::Single(_) => Ok(masters.iter().map(|_| Failover::Unknown).collect()),
            Topology::Sentinels { sentinels, service } => {
                let named = sentinels::named(self, sentinels, service).await?;
                if masters.iter().any(|master| master.name != named.address()) {
                    return Err(RedisError::Unreachable("the sentinels name another".to_owned()));
                }
                Ok(vec![Failover::BySentinels(named)])
            }
            Topology::Cluster(_) => {
                let replicas = cluster::replicas(masters).await?;
                Ok(replicas.into_iter().map(Failover::ByCluster).collect())
            }
        }
    }

    pub(super) async fn connect(
        &self,
        server: &ConnectionInfo,
    ) -> Result<MultiplexedConnection, RedisError> {
        if let Some(network) = &self.network {
            return self.connect_over(&**network, server).await;
        }
        let client = match server.addr() {
            ConnectionAddr::TcpTls { .. } => {
                Client::build_with_tls(server.clone(), self.certificates.clone())?
            }
            _ => Client::open(server.clone())?,
        };
        Ok(client.get_multiplexed_async_connection_with_config(&self.config).await?)
    }

    async fn connect_over(
        &self,
        network: &dyn RedisNetwork,
        server: &ConnectionInfo,
    ) -> Result<MultiplexedConnection, RedisError> {
        let connecting = async {
            let unreachable = |error: io::Error| RedisError::Unreachable(error.to_string());
            let stream = network.connect(&server.addr().to_string()).await.map_err(unreachable)?;
            let (settings, config) = (server.redis_settings(), self.config.clone());
            let (connection, driver) =
                MultiplexedConnection::new_with_config(settings, stream, config).await?;
            tokio::spawn(driver);
            Ok(connection)
        };
        let connected = tokio::time::timeout(self.limits.connect, connecting).await;
        connected.unwrap_or_else(|_| {
            Err(RedisError::Unreachable("connecting to it takes too long".to_owned()))
        })
    }

    /// Connects to each master that this server of a cluster knows.
    async fn cluster(&self, seed: &ConnectionInfo) -> Result<Vec<Master>, RedisError> {
        let mut connection = self.connect(seed).await?;
        let mut masters = Vec::new();
        for Listed { id, host, port, slots, .. } in cluster::layout(&mut connection).await? {
            let host = host.unwrap_or_else(|| match seed.addr() {
                ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
                other => other.to_string(),
            });
            let connection = self.connect(&at(seed, host, port)).await?;
            masters.push(Master { connection, slots, name: id });
        }
        // Another seed may know better.
        cluster::replicas(&masters.iter().collect::<Vec<_>>()).await?;
        Ok(masters)
    }
}

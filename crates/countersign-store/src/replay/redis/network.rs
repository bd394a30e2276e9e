//! Another network than the operating system's.

use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection to a Redis.
pub trait RedisStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> RedisStream for S {}

/// Connects to a Redis by other ways than TCP or TLS: in a simulation, through a tunnel.
/// Sentinels are not asked that way.
#[async_trait]
pub trait RedisNetwork: Send + Sync {
    /// A connection to the server with that address, `host:port`.
    ///
    /// # Errors
    /// If it cannot be reached.
    async fn connect(&self, address: &str) -> io::Result<Box<dyn RedisStream>>;
}

//! The load: requests rendered beforehand, sent over connections kept alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::clock::Stopwatch;

/// How many callers are at work at once.
pub const CALLERS: usize = 64;

/// Requests as bytes, ready to be written.
pub type Requests = Arc<Vec<Vec<u8>>>;

/// Renders a request with an `Authorization` header.
pub fn render(authorization: &str) -> Vec<u8> {
    format!(
        "GET /forward-auth HTTP/1.1\r\nHost: bench\r\nAuthorization: {authorization}\r\n\
         X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /orders/17\r\n\r\n"
    )
    .into_bytes()
}

/// Sends every request once, from [`CALLERS`] connections, and counts answers
/// other than 200 as a failure of the benchmark.
///
/// # Errors
/// If a connection breaks or an answer is not 200.
pub async fn send_all(address: &str, requests: &Requests) -> anyhow::Result<Duration> {
    let mut connections = Vec::with_capacity(CALLERS);
    for _ in 0..CALLERS {
        let connection = TcpStream::connect(address).await?;
        connection.set_nodelay(true)?;
        connections.push(connection);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let watch = Stopwatch::start();
    let callers: Vec<_> = connections
        .into_iter()
        .map(|connection| {
            tokio::spawn(send_some(connection, Arc::clone(requests), Arc::clone(&next)))
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(watch.elapsed())
}

async fn send_some(
    mut connection: TcpStream,
    requests: Requests,
    next: Arc<AtomicUsize>,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; 4096];
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        connection.write_all(request).await?;
        let mut filled = 0;
        while !buffer[..filled].ends_with(b"\r\n\r\n") {
            let read = connection.read(&mut buffer[filled..]).await?;
            anyhow::ensure!(read > 0, "the server closed a connection");
            filled += read;
        }
        let head = &buffer[..filled];
        anyhow::ensure!(
            head.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(head).lines().next().context("a status line")?
        );
    }
    Ok(())
}

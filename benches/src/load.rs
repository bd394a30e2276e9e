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

/// Renders a `GET` of a path with a token.
pub fn render_bearer(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

/// Renders a `POST` of JSON.
pub fn render_json(path: &str, body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends every request once, from [`CALLERS`] connections, and counts answers
/// other than 200 as a failure of the benchmark.
///
/// # Errors
/// If a connection breaks or an answer is not 200.
pub async fn send_all(address: &str, requests: &Requests) -> anyhow::Result<Duration> {
    send_when(&[], address, requests).await
}

/// Does so, each request no sooner than so long after the start. Those for which nothing is
/// said go as soon as a connection is free.
///
/// # Errors
/// As [`send_all`].
pub async fn send_when(
    due: &[Duration],
    address: &str,
    requests: &Requests,
) -> anyhow::Result<Duration> {
    send_from(CALLERS, due, address, requests).await
}

/// Does so from another number of connections.
///
/// # Errors
/// As [`send_all`].
pub async fn send_from(
    callers: usize,
    due: &[Duration],
    address: &str,
    requests: &Requests,
) -> anyhow::Result<Duration> {
    let mut connections = Vec::with_capacity(callers);
    for _ in 0..callers {
        connections.push(connect(address).await?);
    }
    let watch = Stopwatch::start();
    let (requests, due) = (Arc::clone(requests), due.to_vec());
    let queue = Arc::new(Queue { requests, due, next: 0.into(), watch });
    let callers: Vec<_> = connections
        .into_iter()
        .map(|connection| tokio::spawn(send_some(connection, Arc::clone(&queue))))
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(watch.elapsed())
}

/// Requests that callers take, each when it is due.
struct Queue {
    requests: Requests,
    due: Vec<Duration>,
    next: AtomicUsize,
    watch: Stopwatch,
}

impl Queue {
    async fn take(&self) -> Option<&[u8]> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let request = self.requests.get(index)?;
        let due = self.due.get(index).copied().unwrap_or_default();
        // A timer would wake many callers at once.
        while self.watch.elapsed() < due {
            tokio::task::yield_now().await;
        }
        Some(request)
    }
}

/// A connection that sends what is written at once.
///
/// # Errors
/// If nobody listens.
pub async fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

async fn send_some(mut connection: TcpStream, queue: Arc<Queue>) -> anyhow::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    while let Some(request) = queue.take().await {
        exchange(&mut connection, request, &mut buffer).await?;
    }
    Ok(())
}

/// Sends one request and reads the whole answer; its body.
///
/// # Errors
/// If the connection breaks or the answer is not 200.
pub async fn exchange<'b>(
    connection: &mut TcpStream,
    request: &[u8],
    buffer: &'b mut [u8],
) -> anyhow::Result<&'b [u8]> {
    connection.write_all(request).await?;
    let mut filled = 0;
    let (head, length) = loop {
        let read = connection.read(&mut buffer[filled..]).await?;
        anyhow::ensure!(read > 0, "the server closed a connection");
        filled += read;
        if let Some(end) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
            break (end + 4, content_length(&buffer[..end])?);
        }
    };
    while filled < head + length {
        let read = connection.read(&mut buffer[filled..]).await?;
        anyhow::ensure!(read > 0, "the server closed a connection");
        filled += read;
    }
    let answer = &buffer[..head];
    anyhow::ensure!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(answer).lines().next().context("a status line")?
    );
    Ok(&buffer[head..filled])
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let name = b"content-length: ";
    let Some(at) = head.windows(name.len()).position(|part| part == name) else { return Ok(0) };
    let digits = head[at + name.len()..].split(|byte| *byte == b'\r').next().unwrap_or_default();
    Ok(std::str::from_utf8(digits)?.parse()?)
}

//! When requests came to the measured server, so that the same can come once more.
//!
//! How much CPU time a request costs depends on how many come at a time: a server that wakes
//! for each one pays for the waking each time. So a comparison of two ways to the same server
//! has to bring the requests in the same crowds.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use crate::clock::Stopwatch;

/// What a server with one worker notes.
pub struct Arrivals {
    watch: Stopwatch,
    /// How often the worker has gone to sleep.
    slept: AtomicU64,
    noted: Mutex<Vec<Arrival>>,
}

#[derive(Clone, Copy)]
struct Arrival {
    at: Duration,
    slept: u64,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { watch: Stopwatch::start(), slept: 0.into(), noted: Mutex::default() }
    }
}

impl Arrivals {
    /// To be called whenever the worker goes to sleep.
    pub fn goes_to_sleep(&self) {
        self.slept.fetch_add(1, Ordering::Relaxed);
    }

    fn note(&self) {
        let arrival =
            Arrival { at: self.watch.elapsed(), slept: self.slept.load(Ordering::Relaxed) };
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
    }

    /// Microseconds since the first, once; what was read without a sleep came at once.
    fn take(&self) -> Vec<u64> {
        let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(first) = noted.first() else { return Vec::new() };
        let mut crowd = *first;
        let since_first = noted.iter().map(|arrival| {
            if arrival.slept != crowd.slept {
                crowd = *arrival;
            }
            crowd.at.saturating_sub(first.at)
        });
        since_first.map(|since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX)).collect()
    }

    /// Tells whoever connects what was noted since the last time.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn tell(&self, listener: impl Listener<Io = TcpStream>) -> anyhow::Result<()> {
        let mut listener = listener;
        loop {
            let (mut connection, _) = listener.accept().await;
            connection.write_all(&serde_json::to_vec(&self.take())?).await?;
        }
    }
}

/// Asks a server that tells it when its requests came, since the first of them.
///
/// # Errors
/// If it does not answer.
pub async fn of(address: &str) -> anyhow::Result<Vec<Duration>> {
    let mut told = Vec::new();
    TcpStream::connect(address).await?.read_to_end(&mut told).await?;
    let micros: Vec<u64> = serde_json::from_slice(&told)?;
    Ok(micros.into_iter().map(Duration::from_micros).collect())
}

/// A listener whose connections note when a request has come.
pub struct Noting<L>(pub L, pub Arc<Arrivals>);

/// One of its connections.
pub struct NotingStream(TcpStream, Arc<Arrivals>);

impl<L: Listener<Io = TcpStream, Addr = SocketAddr>> Listener for Noting<L> {
    type Io = NotingStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (NotingStream, SocketAddr) {
        let (stream, peer) = self.0.accept().await;
        (NotingStream(stream, Arc::clone(&self.1)), peer)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl AsyncRead for NotingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.0).poll_read(context, buffer);
        // No request here has a body.
        if buffer.filled().len() > before && buffer.filled().ends_with(b"\r\n\r\n") {
            self.1.note();
        }
        poll
    }
}

impl AsyncWrite for NotingStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

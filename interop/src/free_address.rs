//! Addresses for programs that cannot be told to take any port.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, bail};

/// How often another port is tried when somebody took the free one first.
const ATTEMPTS: usize = 5;
/// The ports that are tried.
const FIRST_PORT: u16 = 21_000;
const PORTS: u16 = 9_000;

/// Starts a program on an address that is free, on another if somebody was faster.
pub(crate) async fn on_a_free_address<T>(start: impl AsyncFn(&str) -> Result<T>) -> Result<T> {
    let mut failed = None;
    for _ in 0..ATTEMPTS {
        match start(&free_address()?).await {
            Err(error) if is_taken(&error) => failed = Some(error),
            outcome => return outcome,
        }
    }
    Err(failed.context("no attempt was made")?)
}

/// As programs in C and in Go say it.
fn is_taken(error: &anyhow::Error) -> bool {
    format!("{error:#}").to_ascii_lowercase().contains("address already in use")
}

/// An address that was free a moment ago, at a port that nobody gets who takes any: those
/// are higher, and a server of another test would answer in the program's place.
fn free_address() -> Result<String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % u32::from(PORTS))?;
    for _ in 0..PORTS {
        let port = FIRST_PORT + (first + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS) % PORTS;
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port from {FIRST_PORT} on is free")
}

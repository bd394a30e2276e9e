//! Sessions, and registration against a real server.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod internal;
mod outage;
mod renewal;
mod secrets;
mod single_flight;
mod start;
mod support;
mod tls;
mod wire;

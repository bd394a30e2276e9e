//! Sessions, registration and their middleware against real servers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod blocking;
mod internal;
mod middleware;
mod outage;
mod renewal;
mod secrets;
mod single_flight;
mod start;
mod support;
mod tls;
mod validator;
mod wire;

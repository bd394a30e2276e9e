//! The replay guards of the store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod breaker;
mod durable;
mod killed;
mod memory_journal;
mod model;
mod outages;
mod postgres;
mod redis;
mod sql_journal;
mod standby;
mod support;
mod tolerances;
mod wheel;

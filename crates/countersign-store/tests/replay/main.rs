//! The replay guards of the store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod durable;
mod killed;
mod memory_journal;
mod model;
mod sql_journal;
mod support;
mod wheel;

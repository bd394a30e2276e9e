//! The keys that accounts publish themselves: when they are fetched, from whom,
//! and what becomes of the accounts' tokens.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod http;
mod https;
mod schedule;
mod support;

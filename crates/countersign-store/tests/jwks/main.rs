//! The keys that accounts and token issuers publish: when they are fetched, from whom,
//! and what becomes of the accounts' tokens.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod http;
mod https;
mod issuer_keys;
mod schedule;
mod support;

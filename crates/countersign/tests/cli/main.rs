//! The real binary, run as a stranger would run it: a server in a data
//! directory of its own, commands that talk to it, and signals.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access_tokens;
mod accounts;
mod administrators;
mod audit;
mod compat;
mod completions;
mod data_directory;
mod databases;
mod doctor;
mod files;
mod full_disk;
mod health;
mod import;
mod jwks;
mod limits;
mod manual;
mod metrics;
mod rate_limits;
mod regions;
mod replay_guards;
mod restart;
mod rules;
mod secrets;
mod service_manager;
mod settings;
mod shutdown;
mod signed_requests;
mod support;
mod terminal;
mod tls;
mod tokens;
mod traces;

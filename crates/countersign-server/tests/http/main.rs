//! The service as its callers see it.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod access_rules;
mod administration;
mod bad_calls;
mod console;
mod envoy;
mod forward_auth;
mod key_to_token;
mod logs;
mod metrics;
mod openapi;
mod operators;
mod probes;
mod races;
mod rate_limits;
mod regions;
mod support;
mod vectors;
mod wire;

//! The layers in front of a service, by every way to prove who one is.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod answers;
mod authorization;
mod bearer_tokens;
mod every_source;
mod extractors;
mod identity_headers;
mod policies;
mod settings;
mod signed_requests;
mod support;

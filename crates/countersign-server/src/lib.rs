//! Countersign's HTTP service as axum routers: the endpoint that gateways ask,
//! and administration.
//!
//! Nothing here opens a socket; the embedding program does.

pub mod api;

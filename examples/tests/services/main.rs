//! The examples as a newcomer runs them: the services and the callers, with a real
//! Countersign server, a real nginx and the Python original where they belong.

mod behind_nginx;
mod from_pyramid_jwtauth;
mod grpc;
mod shared_secret;
mod signed_requests;
mod support;
mod trusted_issuer;

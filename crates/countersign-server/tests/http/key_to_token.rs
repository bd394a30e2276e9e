//! The routes of `jwthenticator`, each row of its wire page, on each database.

mod bad_bodies;
mod lifetimes;
mod registration;
mod replicas;
mod revocation;
mod rotation;
mod routes;
mod tokens;
mod unusable;

//! The administration API's wire: bodies, problem documents and routes.
//!
//! Server and client use the same types, so neither can drift from the other.
//! Instants are RFC 3339 in UTC. Every body is read strictly: a member that is
//! not known is an error that names it.

mod account;
mod audit;
mod instance;
mod instant;
mod jwks_endpoint;
mod problem;
mod public_key;
pub mod routes;

pub use account::{Account, Accounts, AccountsQuery, ChangeAccount, CreateAccount};
pub use audit::{Audit, AuditQuery, AuditRecord};
pub use instance::Instance;
pub use instant::{to_timestamp, to_unix_time};
pub use jwks_endpoint::{AddJwksEndpoint, JwksEndpoint, JwksEndpointQuery, JwksEndpoints};
pub use problem::{PROBLEM_CONTENT_TYPE, Problem};
pub use public_key::{
    AddPublicKey, ChangePublicKey, PublicKey, PublicKeyFingerprints, PublicKeys, key_type_name,
};

/// How many items a listing shows unless asked for another number.
pub const DEFAULT_PAGE_LIMIT: u32 = 100;
/// The most items a listing shows.
pub const MAX_PAGE_LIMIT: u32 = 1000;
/// The longest comment of a public key, in bytes.
pub const MAX_COMMENT_BYTES: usize = 256;

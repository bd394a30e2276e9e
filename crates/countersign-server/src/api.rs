//! The administration API's wire: bodies, problem documents and routes.
//!
//! Server and client use the same types, so neither can drift from the other.
//! Instants are RFC 3339 in UTC. Every body is read strictly: a member that is
//! not known is an error that names it.

mod account;
mod api_key;
mod audit;
mod console_link;
mod instance;
mod instant;
mod jwks_endpoint;
mod names;
mod problem;
mod public_key;
pub mod routes;
mod self_report;
mod signing_key;

pub use account::{Account, Accounts, AccountsQuery, ChangeAccount, CreateAccount};
pub use api_key::{ApiKey, ApiKeys, ChangeApiKey, CreateApiKey, CreatedApiKey};
pub use audit::{Audit, AuditOrder, AuditQuery, AuditRecord};
pub use console_link::ConsoleLink;
pub use instance::Instance;
pub use instant::{to_timestamp, to_unix_time};
pub use jwks_endpoint::{AddJwksEndpoint, JwksEndpoint, JwksEndpointQuery, JwksEndpoints};
pub use problem::{PROBLEM_CONTENT_TYPE, Problem};
pub use public_key::{
    AddPublicKey, ChangePublicKey, PublicKey, PublicKeyFingerprints, PublicKeys, key_type_name,
};
pub use self_report::{Finding, GuardKind, HealthReport, SelfReport, Severity};
pub use signing_key::{
    ImportSigningKey, RotateSigningKeys, SigningKey, SigningKeyState, SigningKeys,
    UnusableSigningKey,
};

/// How many items a listing shows unless asked for another number.
pub const DEFAULT_PAGE_LIMIT: u32 = 100;
/// The most items a listing shows.
pub const MAX_PAGE_LIMIT: u32 = 1000;
/// The longest comment of a key, in bytes.
pub const MAX_COMMENT_BYTES: usize = 256;

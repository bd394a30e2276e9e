//! Adapters for the ports of `countersign-core`: stores, spent nonces and the
//! JWKS that accounts publish.

mod audit;
mod endpoint_keys;
mod jwks;
mod memory;
mod registry;
pub mod replay;
mod sql;

pub use endpoint_keys::{ChangeListener, EndpointKeys, EndpointStatus, merge_keys};
pub use jwks::{
    FetchError, FetchJwks, FetchLimits, ForbiddenAddress, HttpFetcher, JwksRules, JwksSchedule,
    JwksUrl, JwksUrlError, MAX_JWKS_URL_BYTES, RemoteJwks,
};
pub use memory::MemoryStore;
pub use registry::{AccountEndpoint, KeyUse, RegistryStore, StoredAccount};
pub use sql::{Database, Durability, OpenError, SqlStore};

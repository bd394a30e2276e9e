//! Adapters for the ports of `countersign-core`: stores, spent nonces and the
//! JWKS that accounts and token issuers publish.

#[cfg(feature = "account-file")]
mod account_file;
mod audit;
mod clocks;
#[cfg(feature = "conformance")]
pub mod conformance;
mod endpoint_keys;
mod gather;
mod import;
mod jwks;
mod live_directory;
mod memory;
#[cfg(feature = "rate-limits")]
pub mod rate_limits;
mod registry;
pub mod replay;
#[cfg(feature = "sql")]
mod sql;

#[cfg(feature = "account-file")]
pub use account_file::{AccountFile, AccountFileError};
pub use clocks::{CLOCK_LIMIT, ClockDifference, ClockWatch, SharedClock};
pub use endpoint_keys::{ChangeListener, EndpointKeys, merge_keys};
pub use import::{
    AccountImport, ApiKeyImport, ImportMode, ImportOutcome, ImportStore, ImportedAccount,
    ImportedApiKey, LeftOut,
};
pub use jwks::{
    FetchError, FetchJwks, FetchLimits, ForbiddenAddress, HttpFetcher, JwksKeys, JwksRules,
    JwksSchedule, JwksSummary, JwksUrl, JwksUrlError, MAX_JWKS_URL_BYTES, RemoteJwks,
};
pub use live_directory::{Following, LiveDirectory, OutOfTouch, Progress, SharedTrail};
pub use memory::MemoryStore;
pub use registry::{CredentialUse, RegistryStore, RevokedToken, StoredAccount, UsedCredential};
#[cfg(feature = "sql")]
pub use sql::{
    Connections, Database, Durability, ForeignAccount, ForeignApiKey, ForeignDatabase,
    ForeignEndpoint, ForeignError, ForeignPublicKey, ForeignRefreshToken, Inspection, OpenError,
    PostgresLimits, PostgresServer, PostgresTrail, PostgresUrl, PostgresUrlError, Presence,
    PresenceError, SqlRefreshTokens, SqlStore, SqliteFile, TRACES,
};

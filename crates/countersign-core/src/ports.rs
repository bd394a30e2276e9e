//! The ports: what the protocol needs from the world, as traits.
//!
//! `countersign-store` and `countersign-system` implement them; a service with
//! a user table of its own implements [`Directory`] over it and keeps
//! everything else.

mod administration;
mod directory;
mod environment;
mod replay;

pub use administration::{
    Account, AccountChange, AccountFilter, Act, AdminStore, AuditRecord, EndpointStatus,
    JwksEndpoint, NewAccount, NewPublicKey, Page, PublicKeyRecord, StoreError,
};
pub use directory::{AccountKeys, Directory, DirectoryError, LastUse, RegisteredKey};
pub use environment::{Clock, Random};
pub use replay::{GuardError, NONCE_RETENTION_MARGIN, ReplayGuard, ReplayKey, Spend};

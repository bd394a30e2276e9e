//! The ports: what the protocol needs from the world, as traits.
//!
//! `countersign-store` and `countersign-system` implement them; a service with
//! a user table of its own implements [`Directory`] over it and keeps
//! everything else.

mod administration;
mod api_keys;
mod directory;
mod environment;
mod rate_limit;
mod refresh_tokens;
mod replay;
mod signing_keys;
mod trusted_keys;
mod visits;

pub use administration::{
    Account, AccountChange, AccountCondition, AccountFilter, Act, AdminStore, AuditFilter,
    AuditRecord, EndpointStatus, JwksEndpoint, NewAccount, NewPublicKey, Page, PublicKeyRecord,
    StoreError,
};
pub use api_keys::{ApiKeyRecord, ApiKeyStore, NewApiKey};
pub use directory::{
    AccountKeys, Credential, Directory, DirectoryError, LastUse, RegisteredApiKey, RegisteredKey,
    TokenDirectory,
};
pub use environment::{Clock, Random};
pub use rate_limit::{OverLimit, RateLimiter, RateSubject, RateSubjectKind};
pub use refresh_tokens::{RefreshTokenRecord, RefreshTokenStore};
pub use replay::{GuardError, NONCE_RETENTION_MARGIN, ReplayGuard, ReplayKey, Spend};
pub use signing_keys::{
    Resealed, SecretName, SharedSigningKeys, SigningKeyRecord, SigningKeyStore,
    UnreadableSigningKey,
};
pub use trusted_keys::{TokenValidator, TrustedKeySource, ValidatorError};
pub use visits::{Visit, VisitKind, VisitStore};

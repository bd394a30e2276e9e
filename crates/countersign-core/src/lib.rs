//! The Countersign protocol: keys, tokens, claims, and the typed way from an
//! unverified token to an identity.
//!
//! A caller signs a one-time token with its private key ([`RequestSigner`]); a
//! service checks it against the public keys it knows ([`Authenticator`]).
//! Nothing here does I/O, reads a clock or draws a random number: those are
//! [ports], implemented by `countersign-store` and `countersign-system`
//! or by the embedding service.

mod access_token;
mod algorithm;
mod api_key_holder;
mod authenticator;
mod bearer;
mod claims;
mod crypto;
mod decimal;
mod decoy;
mod encryption;
mod examination;
pub mod header;
mod identity;
mod identity_headers;
mod issuer;
mod json;
mod jwk_set;
mod jws;
mod key;
mod key_ring;
mod names;
pub mod ports;
mod refusal;
mod reported_identity;
mod secret;
mod shared_secret;
mod signed_request_policy;
mod signer;
mod time;
mod token;
mod token_id;
mod trusted_keys;
mod verified_access_token;

pub use access_token::{
    AccessClaims, AccessTokenForm, AccessTokenPolicy, DEFAULT_ACCESS_TOKEN_LIFETIME, Grant,
    IssueError,
};
pub use algorithm::{Algorithm, HmacAlgorithm, KeyType, TokenAlgorithm};
pub use api_key_holder::{ApiKeyHolder, GrantError, IdentifierRule};
pub use authenticator::{AuthenticationError, Authenticator};
pub use bearer::{BearerPolicy, Check, DEFAULT_ACCOUNT_CLAIM, RemoteError, VerifiedBearerToken};
pub use claims::{NonceClaim, RequestBinding, SignedRequestClaims, TimeClaim};
pub use crypto::{AwsLc, SignatureVerifier};
pub use decoy::Decoys;
pub use encryption::{ENCRYPTION_KEY_BYTES, EncryptionKey, EncryptionKeyError, OpenError, Sealed};
pub use examination::{Examination, ExaminationStep, StepOutcome, UnverifiedFacts};
pub use identity::{Identity, Method};
pub use identity_headers::{IdentityHeaders, IdentityHeadersError};
pub use issuer::{DEFAULT_TOKEN_LIFETIME, Issuer, MintError};
pub use jwk_set::{
    JwkSet, JwkSetError, MAX_JWK_SET_BYTES, MAX_JWK_SET_KEYS, SkipReason, SkippedJwk,
};
pub use jws::MAX_TOKEN_BYTES;
pub use key::{
    Fingerprints, JwkError, KeyKind, Passphrase, PrivateKey, PrivateKeyError, PrivateKeyFile,
    PrivateKeyFormat, PublicJwk, PublicKey, PublicKeyError, PublicKeyFile, PublicKeyFormat,
    ReadPrivateKeyError, ReadPublicKeyError, RsaBits, SignError, WritePrivateKeyError,
};
pub use key_ring::{
    AmbiguousKid, KeyRing, LATE_SIGNATURES, PUBLISH_AHEAD, Rotation, RotationError, RotationStep,
    SigningKey, SigningKeyState,
};
pub use names::{
    ADMIN_GROUP, AUDITOR_GROUP, AccountId, AccountName, ApiKeyId, GroupName,
    MAX_ACCOUNT_NAME_BYTES, MAX_GROUP_NAME_BYTES, MAX_GROUPS, MAX_LABEL_BYTES, NameError,
};
pub use ports::{Clock, Random};
pub use refusal::{Reason, Refusal};
pub use reported_identity::{IdentityHeaderMalformed, ReportedIdentity};
pub use secret::{
    API_KEY_PREFIX, ApiKey, ApiKeyError, HashingSecret, ImportedHashError, MAX_API_KEY_BYTES,
    RefreshToken, RefreshTokenError, SecretHash, SecretHasher,
};
pub use shared_secret::{
    MAX_SHARED_SECRET_BYTES, MIN_SHARED_SECRET_BYTES, SharedSecret, SharedSecretError,
};
pub use signed_request_policy::{Binding, DEFAULT_SCHEME, DEFAULT_TOLERANCE, SignedRequestPolicy};
pub use signer::{BoundTo, RequestSigner};
pub use time::UnixTime;
pub use token::{CHECKS_WITHOUT_KID, UnverifiedToken, Verification, VerifiedToken};
pub use token_id::TokenIds;
pub use trusted_keys::TrustedKeys;
pub use verified_access_token::VerifiedAccessToken;

//! API keys on the wire.

use std::net::IpAddr;

use countersign_core::ApiKeyId;
use countersign_core::ports::ApiKeyRecord;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::instant::to_timestamp;
use super::public_key::given;

/// A registered API key: everything but the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// What it is called by.
    #[schema(value_type = Uuid)]
    pub id: ApiKeyId,
    /// What the operator calls it.
    pub comment: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The instant from which on it buys nothing.
    pub expires_at: Option<Timestamp>,
    /// When it was withdrawn, for good.
    pub revoked_at: Option<Timestamp>,
    /// When it, or a refresh token that it bought, was last used.
    pub last_used_at: Option<Timestamp>,
    /// The address that use came from.
    #[schema(value_type = Option<String>)]
    pub last_used_from: Option<IpAddr>,
}

/// The answer to `GET /v1/accounts/{name}/api-keys`, in order of registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeys {
    /// The keys, revoked and expired ones included.
    pub api_keys: Vec<ApiKey>,
}

/// The body of `POST /v1/accounts/{name}/api-keys`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// A comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The instant from which on the key buys nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// The answer to it: the one time that the key itself is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedApiKey {
    /// The key itself.
    pub key: String,
    /// Everything else.
    pub api_key: ApiKey,
}

impl std::fmt::Debug for CreatedApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedApiKey").field("api_key", &self.api_key).finish_non_exhaustive()
    }
}

/// The body of `PATCH /v1/accounts/{name}/api-keys/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeApiKey {
    /// The instant from which on the key buys nothing; `null` for never. It must be
    /// given: an empty body does not lift an expiry by accident.
    #[serde(deserialize_with = "given")]
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
}

impl From<ApiKeyRecord> for ApiKey {
    fn from(record: ApiKeyRecord) -> Self {
        Self {
            id: record.id,
            comment: record.comment,
            created_at: to_timestamp(record.created_at),
            expires_at: record.expires_at.map(to_timestamp),
            revoked_at: record.revoked_at.map(to_timestamp),
            last_used_at: record.last_used_at.map(to_timestamp),
            last_used_from: record.last_used_from,
        }
    }
}

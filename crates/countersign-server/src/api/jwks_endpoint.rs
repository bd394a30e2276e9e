//! JWKS endpoints on the wire.

use countersign_core::ports;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::instant::to_timestamp;

/// A URL whose JWKS an account signs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JwksEndpoint {
    /// The URL, normalised.
    pub url: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last asked for its keys, with whatever outcome.
    pub attempted_at: Option<Timestamp>,
    /// When it last gave a key set.
    pub fetched_at: Option<Timestamp>,
    /// How many keys that set has that can be used.
    pub keys: usize,
    /// The entries of that set that cannot be used, and why.
    pub skipped: Vec<String>,
    /// Why the last attempt failed, if it did.
    pub error: Option<String>,
}

/// The answer to `GET /v1/accounts/{name}/jwks-endpoints`, in the order they were added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JwksEndpoints {
    /// The endpoints.
    pub endpoints: Vec<JwksEndpoint>,
}

/// The body of `POST /v1/accounts/{name}/jwks-endpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddJwksEndpoint {
    /// The URL.
    pub url: String,
}

/// The query of `DELETE /v1/accounts/{name}/jwks-endpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JwksEndpointQuery {
    /// The URL.
    pub url: String,
}

impl From<ports::JwksEndpoint> for JwksEndpoint {
    fn from(endpoint: ports::JwksEndpoint) -> Self {
        let status = endpoint.status.unwrap_or_default();
        Self {
            url: endpoint.url,
            created_at: to_timestamp(endpoint.created_at),
            attempted_at: status.attempted_at.map(to_timestamp),
            fetched_at: status.fetched_at.map(to_timestamp),
            keys: status.keys,
            skipped: status.skipped,
            error: status.error,
        }
    }
}

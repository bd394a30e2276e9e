//! JWKS endpoints on the wire.

use countersign_core::ports;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::instant::to_timestamp;

/// A URL whose JWKS an account signs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwksEndpoint {
    /// The URL, normalised.
    pub url: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// The answer to `GET /v1/accounts/{name}/jwks-endpoints`, in the order they were added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwksEndpoints {
    /// The endpoints.
    pub endpoints: Vec<JwksEndpoint>,
}

/// The body of `POST /v1/accounts/{name}/jwks-endpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddJwksEndpoint {
    /// The URL.
    pub url: String,
}

/// The query of `DELETE /v1/accounts/{name}/jwks-endpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwksEndpointQuery {
    /// The URL.
    pub url: String,
}

impl From<ports::JwksEndpoint> for JwksEndpoint {
    fn from(endpoint: ports::JwksEndpoint) -> Self {
        Self { url: endpoint.url, created_at: to_timestamp(endpoint.created_at) }
    }
}

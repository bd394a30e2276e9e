//! Which server this is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to `GET /v1/instance`, the one call that needs no credential: a
/// caller must know the id before it can sign for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// What administrative tokens name in `aud`.
    pub instance_id: String,
    /// The server's version.
    pub version: String,
}

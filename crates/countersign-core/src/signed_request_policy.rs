//! What a service accepts.

use std::time::Duration;

use crate::algorithm::Algorithm;

/// How far a token's `time` may lie from now, either way, unless configured.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(20);
/// The scheme word of the `Authorization` header, unless configured.
pub const DEFAULT_SCHEME: &str = "JWT";

/// What a service accepts as a signed request.
#[derive(Clone, Debug)]
pub struct SignedRequestPolicy {
    /// The scheme word, compared without case.
    pub scheme: String,
    /// How far `time` may lie from now, either way, edges included.
    pub tolerance: Duration,
    /// The algorithms accepted, each bound to its type of key.
    pub algorithms: Vec<Algorithm>,
    /// The names this service goes by in `aud`. A token with `aud` is accepted
    /// only if it contains one of them; one without `aud` is accepted unless a
    /// [`Binding`] requires it.
    pub audiences: Vec<String>,
    /// What a token must be bound to.
    pub binding: Binding,
}

/// What a token must be bound to, besides its account and its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// As `asymmetric_jwt_auth` has it: any request within the window.
    Free,
    /// This service: `aud` is required and names nobody else. Services that do not share a
    /// replay guard, such as regions, each accept a token once, so it may be good in one alone.
    Audience,
    /// The one request it was made for: `aud`, `htm`, `htu` and `body_sha256` are
    /// required and must match.
    Required,
}

impl Default for SignedRequestPolicy {
    fn default() -> Self {
        Self {
            scheme: DEFAULT_SCHEME.to_owned(),
            tolerance: DEFAULT_TOLERANCE,
            algorithms: Algorithm::ALL.to_vec(),
            audiences: Vec::new(),
            binding: Binding::Free,
        }
    }
}

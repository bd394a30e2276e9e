//! Taking requests that callers sign themselves.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::header::Spelling;
use countersign_core::ports::{Directory, RateLimiter, ReplayGuard};
use countersign_core::{Algorithm, Binding, SignedRequestPolicy};

/// Takes one-time tokens that callers sign with their own private keys, as
/// `asymmetric_jwt_auth` does: `Authorization: JWT <token>`.
///
/// Accounts and their public keys come from a [`Directory`]; a [`ReplayGuard`] makes
/// each token work once.
#[derive(Clone)]
pub struct SignedRequests {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) guard: Arc<dyn ReplayGuard>,
    pub(crate) policy: SignedRequestPolicy,
    pub(crate) spellings: Vec<Spelling>,
    pub(crate) credential_limit: Option<Arc<dyn RateLimiter>>,
}

impl SignedRequests {
    /// Takes signed requests of these accounts.
    pub fn of(directory: Arc<dyn Directory>, guard: Arc<dyn ReplayGuard>) -> Self {
        Self {
            directory,
            guard,
            policy: SignedRequestPolicy::default(),
            spellings: Spelling::ALL.to_vec(),
            credential_limit: None,
        }
    }

    /// The same under another scheme word than `JWT`.
    #[must_use]
    pub fn scheme(mut self, scheme: impl Into<String>) -> Self {
        self.policy.scheme = scheme.into();
        self
    }

    /// The same for headers of these spellings alone. A token that is spelled otherwise is
    /// as if it were not there.
    #[must_use]
    pub fn spellings(self, spellings: impl IntoIterator<Item = Spelling>) -> Self {
        Self { spellings: spellings.into_iter().collect(), ..self }
    }

    /// The same with another window than 20 seconds either way, at most of
    /// [`MAX_LEEWAY`](crate::MAX_LEEWAY).
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.policy.tolerance = tolerance;
        self
    }

    /// The same with these algorithms alone.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.policy.algorithms = algorithms.into_iter().collect();
        self
    }

    /// The same, which lets each public key sign only so many requests. More are answered
    /// 429; their tokens are not spent.
    #[must_use]
    pub fn credential_limit(self, limiter: Arc<dyn RateLimiter>) -> Self {
        Self { credential_limit: Some(limiter), ..self }
    }

    /// The same, which also takes tokens that are meant for this name (`aud`) alone.
    #[must_use]
    pub fn audience(mut self, name: impl Into<String>) -> Self {
        self.policy.audiences.push(name.into());
        self
    }

    /// The same for tokens that say that they are meant for this service (`aud`) and nobody
    /// else. For services such as regions, whose replay guards do not know of each other: give each
    /// an [`audience`](Self::audience) that no other has.
    #[must_use]
    pub fn require_audience(mut self) -> Self {
        self.policy.binding = Binding::Audience;
        self
    }
}

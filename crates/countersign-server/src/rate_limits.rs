//! How often one may ask: by address before anything is looked at, by credential when it has
//! proved itself.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::ports::{OverLimit, RateLimiter, RateSubject};
use http::HeaderValue;

/// What counts requests. By default nothing does.
#[derive(Clone, Default)]
pub struct RateLimiters {
    /// For each client's address.
    pub per_address: Option<Arc<dyn RateLimiter>>,
    /// For each public key. What counts API keys and access tokens is given to the
    /// [`TokenService`](crate::TokenService).
    pub per_credential: Option<Arc<dyn RateLimiter>>,
}

/// Counts the requests of one listener by the client's address.
#[derive(Clone)]
pub struct AddressLimit {
    limiter: Option<Arc<dyn RateLimiter>>,
    loopback: Loopback,
}

/// Whether what comes from this machine itself counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loopback {
    Counts,
    /// Operators on the host can always act, also against a flood.
    DoesNot,
}

impl AddressLimit {
    pub(crate) fn new(limiters: &RateLimiters, loopback: Loopback) -> Self {
        Self { limiter: limiters.per_address.clone(), loopback }
    }

    /// Counts a request. Where it comes from may not be known: then nobody can be counted.
    pub(crate) async fn count(&self, client: Option<IpAddr>) -> Result<(), OverLimit> {
        let (Some(limiter), Some(client)) = (&self.limiter, client) else { return Ok(()) };
        if client.is_loopback() && self.loopback == Loopback::DoesNot {
            return Ok(());
        }
        limiter.count(RateSubject::address(client)).await
    }

    /// Whether there is one.
    pub(crate) fn is_set(&self) -> bool {
        self.limiter.is_some()
    }
}

/// `Retry-After`.
pub(crate) fn retry_after(over: OverLimit) -> HeaderValue {
    HeaderValue::from(over.retry_after_seconds())
}

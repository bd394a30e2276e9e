//! How many callers were let in, and why others were not.

use countersign_core::{API_KEY_PREFIX, Identity, Method, Reason, Refusal, header};
use http::HeaderMap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::token_service::{BEARER, TokenError};

/// What a caller shows to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing that can be told apart.
    Nothing,
    SignedRequest,
    AccessToken,
    ApiKey,
    RefreshToken,
}

/// Counts what becomes of credentials.
pub(crate) struct Judgements([OfOneMethod; Shown::ALL.len()]);

struct OfOneMethod {
    allowed: Counter,
    refused: Counter,
    limited: Counter,
    unavailable: Counter,
    /// One for each of [`Reason::ALL`], in that order.
    reasons: Box<[Counter]>,
}

impl Judgements {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let outcomes = Family::<[(&str, &str); 2], Counter>::default();
        let reasons = Family::<[(&str, &str); 2], Counter>::default();
        registry.register("judgements", "Credentials that were judged", outcomes.clone());
        registry.register("refusals", "Credentials that were refused, by reason", reasons.clone());
        Self(Shown::ALL.map(|shown| {
            let method = ("method", shown.label());
            let outcome = |outcome| outcomes.get_or_create_owned(&[method, ("outcome", outcome)]);
            let of_reason =
                |reason: &Reason| reasons.get_or_create_owned(&[method, ("reason", reason.code())]);
            OfOneMethod {
                allowed: outcome("allowed"),
                refused: outcome("refused"),
                limited: outcome("limited"),
                unavailable: outcome("unavailable"),
                reasons: Reason::ALL.iter().map(of_reason).collect(),
            }
        }))
    }

    pub(crate) fn allowed(&self, shown: Shown) {
        self.0[shown as usize].allowed.inc();
    }

    pub(crate) fn refused(&self, shown: Shown, reason: Reason) {
        self.0[shown as usize].refused.inc();
        self.note_reason(shown, reason);
    }

    /// There were too many.
    pub(crate) fn limited(&self, shown: Shown, refusal: &Refusal) {
        self.0[shown as usize].limited.inc();
        self.note_reason(shown, refusal.reason);
    }

    /// It cannot be said, or is not to be said at the moment, for a reason of the caller's.
    pub(crate) fn unavailable(&self, shown: Shown, refusal: Option<&Refusal>) {
        self.0[shown as usize].unavailable.inc();
        if let Some(refusal) = refusal {
            self.note_reason(shown, refusal.reason);
        }
    }

    /// What the key-to-token service says.
    pub(crate) fn note<T>(&self, shown: Shown, result: &Result<T, TokenError>) {
        match result {
            Ok(_) => self.allowed(shown),
            Err(TokenError::Refused(refusal)) => self.refused(shown, refusal.reason),
            Err(TokenError::Limited(refusal, _)) => self.limited(shown, refusal),
            Err(TokenError::Unavailable(_)) => self.unavailable(shown, None),
        }
    }

    fn note_reason(&self, shown: Shown, reason: Reason) {
        self.0[shown as usize].reasons[reason as usize].inc();
    }
}

impl Shown {
    const ALL: [Self; 5] =
        [Self::Nothing, Self::SignedRequest, Self::AccessToken, Self::ApiKey, Self::RefreshToken];

    fn label(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::SignedRequest => "signed-request",
            Self::AccessToken => "access-token",
            Self::ApiKey => "api-key",
            Self::RefreshToken => "refresh-token",
        }
    }

    /// What these headers show as a `Bearer`.
    pub(crate) fn as_bearer(headers: &HeaderMap) -> Self {
        match header::token(headers, BEARER) {
            Ok(token) if token.starts_with(API_KEY_PREFIX) => Self::ApiKey,
            Ok(_) | Err(Reason::TokenTooLong) => Self::AccessToken,
            Err(_) => Self::Nothing,
        }
    }

    /// What was shown where only signed requests are taken, and this is why it was refused.
    pub(crate) fn as_signed_request(reason: Reason) -> Self {
        match reason {
            Reason::HeaderMissing
            | Reason::HeaderRepeated
            | Reason::HeaderMalformed
            | Reason::SchemeOther => Self::Nothing,
            _ => Self::SignedRequest,
        }
    }
}

impl From<&Identity> for Shown {
    fn from(identity: &Identity) -> Self {
        match identity.method() {
            Method::SignedRequest => Self::SignedRequest,
            Method::ApiKey => Self::ApiKey,
            _ => Self::AccessToken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_in_the_lists() {
        for (place, shown) in Shown::ALL.into_iter().enumerate() {
            assert_eq!(shown as usize, place);
        }
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
        }
    }
}

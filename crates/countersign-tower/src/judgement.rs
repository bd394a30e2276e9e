//! Who makes a request, as far as a policy can tell.

use std::borrow::Cow;
use std::net::IpAddr;

use countersign_core::ports::OverLimit;
use countersign_core::{
    AuthenticationError, BearerPolicy, Identity, Reason, Refusal, RemoteError, UnixTime,
    VerifiedBearerToken,
};
use http::request::Parts;
use http::{Extensions, HeaderMap};

use crate::authenticate::ClientAddress;
use crate::bearer_tokens::{LocalVerifier, Verifier};
use crate::groups::{GroupSource, Membership};
use crate::policy::{Inner, Policy, Way};

/// What a policy says of a request.
pub(crate) enum Judgement {
    /// This caller makes it.
    Known(Identity),
    /// Nobody, as far as can be told.
    Nobody { sent_a_token: bool },
    /// Somebody whose credential was used too often lately.
    Limited(OverLimit),
    /// It cannot be said at the moment.
    Unavailable,
}

/// What a request shows, before anything is verified.
enum Shown<'a> {
    Nothing(Reason),
    Token(&'a Way, Cow<'a, str>),
}

impl Policy {
    /// Judges at once, if nobody needs to be asked.
    pub(crate) fn judge_at_once(&self, headers: &HeaderMap) -> Option<Judgement> {
        let policy = self.inner();
        match shown(policy, headers) {
            Shown::Nothing(reason) => Some(nobody(reason)),
            Shown::Token(Way::Bearer(tokens, Verifier::Local(local)), token)
                if policy.groups.is_none() =>
            {
                Some(judged(local.verify(&tokens.policy, &token, policy.clock.now())))
            }
            Shown::Token(..) => None,
        }
    }

    /// Judges a request, and asks whoever knows more.
    pub(crate) async fn judge(&self, head: &Parts) -> Judgement {
        let policy = self.inner();
        let identity = match shown(policy, &head.headers) {
            Shown::Nothing(reason) => return nobody(reason),
            Shown::Token(way, token) => verify(policy, way, &token, head).await,
        };
        match (identity, &policy.groups) {
            (Ok(identity), Some(groups)) => judged(in_groups(identity, &**groups, head).await),
            (identity, _) => judged(identity),
        }
    }
}

/// Finds the token, and by its scheme word the way that it belongs to.
fn shown<'a>(policy: &'a Inner, headers: &'a HeaderMap) -> Shown<'a> {
    for way in &policy.ways {
        match way.token(headers) {
            Ok(token) => return Shown::Token(way, token),
            Err(Reason::SchemeOther) => {}
            Err(reason) => return Shown::Nothing(reason),
        }
    }
    Shown::Nothing(Reason::SchemeOther)
}

async fn verify(
    policy: &Inner,
    way: &Way,
    token: &str,
    head: &Parts,
) -> Result<Identity, AuthenticationError> {
    match way {
        Way::Signed(_, authenticator) => {
            authenticator.authenticate_token(token, client(&head.extensions)).await
        }
        Way::Bearer(tokens, Verifier::Local(local)) => {
            local.verify(&tokens.policy, token, policy.clock.now())
        }
        Way::Bearer(tokens, Verifier::Remote(validator)) => {
            let now = policy.clock.now();
            let verified = tokens.policy.verify_remotely(token, &**validator, now).await;
            verified.map(VerifiedBearerToken::identity).map_err(|error| match error {
                RemoteError::Refused(reason) => refused(&tokens.policy, reason, token),
                RemoteError::Unavailable(error) => {
                    AuthenticationError::Unavailable(error.to_string())
                }
            })
        }
    }
}

impl LocalVerifier {
    fn verify(
        &self,
        bearer: &BearerPolicy,
        token: &str,
        now: UnixTime,
    ) -> Result<Identity, AuthenticationError> {
        let verified = match self {
            Self::Secrets(secrets, algorithms) => {
                bearer.verify_with_secrets(token, secrets, algorithms, now)
            }
            Self::Keys(source, algorithms) => {
                let keys = source.keys();
                if !keys.hold_at(now) {
                    let cause = "the issuer's keys are not there, or too old".to_owned();
                    return Err(AuthenticationError::Unavailable(cause));
                }
                let verified = bearer.verify_with_keys(token, &keys, algorithms, now);
                if matches!(verified, Err(Reason::KeyUnknown)) {
                    source.unknown_key();
                }
                verified
            }
        };
        let identity = verified.map(VerifiedBearerToken::identity);
        identity.map_err(|reason| refused(bearer, reason, token))
    }
}

/// Asks the service which groups a caller is in.
async fn in_groups(
    identity: Identity,
    groups: &dyn GroupSource,
    head: &Parts,
) -> Result<Identity, AuthenticationError> {
    match groups.membership(identity.account(), head).await {
        Ok(Membership::Groups(groups)) => Ok(identity.with_groups(groups)),
        Ok(Membership::Blocked) => {
            let claimed_account = Some(identity.account().clone());
            Err(Refusal { reason: Reason::AccountBlocked, claimed_account }.into())
        }
        Err(error) => Err(AuthenticationError::Unavailable(error.to_string())),
    }
}

fn refused(bearer: &BearerPolicy, reason: Reason, token: &str) -> AuthenticationError {
    Refusal { reason, claimed_account: bearer.unverified_account(token) }.into()
}

fn client(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ClientAddress>().map(|ClientAddress(address)| *address)
}

/// What becomes of a token's bearer: the reason is for the log, not for the caller.
fn judged(identity: Result<Identity, AuthenticationError>) -> Judgement {
    match identity {
        Ok(identity) => Judgement::Known(identity),
        Err(AuthenticationError::Refused(refusal)) => {
            let claimed_account = refusal.claimed_account.as_ref().map(tracing::field::debug);
            tracing::info!(reason = refusal.reason.code(), claimed_account, "refused");
            Judgement::Nobody { sent_a_token: true }
        }
        Err(AuthenticationError::Limited(refusal, over)) => {
            let claimed_account = refusal.claimed_account.as_ref().map(tracing::field::debug);
            tracing::info!(reason = refusal.reason.code(), claimed_account, "refused for now");
            Judgement::Limited(over)
        }
        Err(error @ AuthenticationError::Busy(_)) => {
            tracing::info!(%error, "refused for now");
            Judgement::Unavailable
        }
        Err(AuthenticationError::Unavailable(cause)) => {
            tracing::error!(cause, "cannot authenticate at the moment");
            Judgement::Unavailable
        }
    }
}

/// A request that shows no token: what is malformed is as if it were not there.
fn nobody(reason: Reason) -> Judgement {
    tracing::debug!(reason = reason.code(), "nobody");
    Judgement::Nobody { sent_a_token: false }
}

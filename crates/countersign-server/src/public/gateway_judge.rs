//! What the endpoints that gateways ask answer: who is this caller, and may it pass?
//!
//! They answer 200, 401, 403, 429 or 503, always without a body. Without rules they look at
//! nothing but the credential: not at the method, the path, the query, conditions or the
//! body, all of which are the original request's.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use countersign_core::ports::OverLimit;
use countersign_core::{
    AuthenticationError, Authenticator, Identity, IdentityHeaders, Reason, Refusal,
};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::PublicState;
use super::original_request::{Endpoint, OriginalRequest, Unclear};
use crate::access_rules::{AccessRules, Requirement};
use crate::metrics::{Metrics, Shown};
use crate::rate_limits::{self, AddressLimit};
use crate::refusals;
use crate::request_context::RequestContext;
use crate::token_service::{BEARER, TokenService};
use crate::unread_body;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");
/// The most headers that an answer has.
const HEADERS: usize = 14;

/// What the endpoints work with.
pub(super) struct GatewayJudge {
    authenticator: Arc<Authenticator>,
    tokens: Option<Arc<TokenService>>,
    rules: Option<Arc<AccessRules>>,
    identity_headers: IdentityHeaders,
    metrics: Arc<Metrics>,
    address_limit: AddressLimit,
    challenges: Vec<HeaderValue>,
}

/// What becomes of a request.
enum Verdict {
    /// It may pass; of nobody, where nobody looked.
    Allowed(Option<Identity>),
    /// Nobody may make it, or this caller may not.
    Forbidden(Shown, Option<Refusal>),
    /// Its caller has not proved who it is.
    Unauthenticated(Shown, Refusal),
    /// Its client asks, or its credential is used, too often.
    Limited(Shown, Refusal, OverLimit),
    /// It cannot be said at the moment.
    Unavailable(Shown, Option<Refusal>),
}

impl GatewayJudge {
    pub(super) fn new(state: &PublicState) -> Self {
        let authenticator = Arc::clone(&state.authenticator);
        // The one that most clients understand comes first.
        let bearer = state.tokens.is_some().then_some(HeaderValue::from_static(BEARER));
        let challenges = bearer.into_iter().chain([crate::challenge(authenticator.policy())]);
        Self {
            challenges: challenges.collect(),
            authenticator,
            tokens: state.tokens.clone(),
            rules: state.rules.clone(),
            identity_headers: state.identity_headers.clone(),
            metrics: Arc::clone(&state.metrics),
            address_limit: state.address_limit.clone(),
        }
    }

    /// Answers a question over HTTP; what follows the endpoint's path begins there in the
    /// request's.
    pub(super) async fn answer(
        &self,
        endpoint: Endpoint,
        rest_at: usize,
        request: Request,
    ) -> Response {
        let (head, body) = request.into_parts();
        let original = |with_host| {
            let rest = head.uri.path().get(rest_at..).unwrap_or("");
            endpoint.original(&head, rest, with_host)
        };
        let context = RequestContext::find(&head.extensions);
        let mut response = self.judge(&head.headers, context, original).await;
        unread_body::settle(&head, body, &mut response).await;
        response
    }

    /// The answer about a request with these headers. What it was is read only if there
    /// are rules, and its host only if they look at hosts.
    pub(super) async fn judge(
        &self,
        headers: &HeaderMap,
        context: Option<&RequestContext>,
        original: impl FnOnce(bool) -> Result<OriginalRequest, Unclear>,
    ) -> Response {
        let verdict = match &self.rules {
            None => self.known(headers, context).await,
            Some(rules) => match original(rules.look_at_hosts()) {
                Ok(original) => self.by_rules(rules, &original, headers, context).await,
                Err(unclear) => {
                    let request_id = context.map(RequestContext::id);
                    tracing::info!(request_id, %unclear, "refused: it is unclear what is asked for");
                    Verdict::Forbidden(Shown::Nothing, None)
                }
            },
        };
        self.count(&verdict);
        let (mut response, refusal) = match verdict {
            Verdict::Allowed(identity) => return self.allowed(identity.as_ref()),
            Verdict::Forbidden(_, refusal) => (self.nobody(StatusCode::FORBIDDEN), refusal),
            Verdict::Unauthenticated(_, refusal) => (self.challenged(), Some(refusal)),
            Verdict::Limited(_, refusal, over) => (self.limited(over), Some(refusal)),
            Verdict::Unavailable(_, refusal) => (self.unavailable(), refusal),
        };
        if let Some(refusal) = refusal {
            let client = context.and_then(|context| context.client);
            refusals::attach(&mut response, refusal, client);
        }
        response
    }

    fn count(&self, verdict: &Verdict) {
        let judgements = &self.metrics.judgements;
        match verdict {
            Verdict::Allowed(identity) => {
                judgements.allowed(identity.as_ref().map_or(Shown::Nothing, Shown::from));
            }
            Verdict::Forbidden(shown, _) => judgements.refused(*shown, Reason::NotAllowed),
            Verdict::Unauthenticated(shown, refusal) => judgements.refused(*shown, refusal.reason),
            Verdict::Limited(shown, refusal, _) => judgements.limited(*shown, refusal),
            Verdict::Unavailable(shown, refusal) => {
                judgements.unavailable(*shown, refusal.as_ref());
            }
        }
    }

    /// Rules come before credentials: for what is allowed to everyone, or to nobody, no
    /// token is spent.
    async fn by_rules(
        &self,
        rules: &AccessRules,
        original: &OriginalRequest,
        headers: &HeaderMap,
        context: Option<&RequestContext>,
    ) -> Verdict {
        match rules.requirement(&original.method, original.host.as_deref(), &original.path) {
            Some((_, Requirement::Public)) => Verdict::Allowed(None),
            Some((_, Requirement::Authenticated)) => self.known(headers, context).await,
            Some((_, Requirement::Groups(groups))) => match self.known(headers, context).await {
                Verdict::Allowed(Some(caller))
                    if !groups.iter().any(|group| caller.groups().contains(group)) =>
                {
                    forbidden(context, Some(&caller))
                }
                verdict => verdict,
            },
            None => forbidden(context, None),
        }
    }

    /// Lets everyone pass who proves who it is.
    async fn known(&self, headers: &HeaderMap, context: Option<&RequestContext>) -> Verdict {
        let client = context.and_then(|context| context.client);
        if let Err(over) = self.address_limit.count(client).await {
            let refusal = Refusal::from(Reason::AddressOverLimit);
            log_refusal(&refusal, context);
            return Verdict::Limited(Shown::Nothing, refusal, over);
        }
        match self.authenticate(headers, client).await {
            Ok(identity) => {
                tracing::debug!(account = %identity.account(), "allowed");
                Verdict::Allowed(Some(identity))
            }
            Err((shown, AuthenticationError::Refused(refusal))) => {
                log_refusal(&refusal, context);
                Verdict::Unauthenticated(shown, refusal)
            }
            Err((shown, AuthenticationError::Limited(refusal, over))) => {
                log_refusal(&refusal, context);
                Verdict::Limited(shown, refusal, over)
            }
            Err((shown, AuthenticationError::Busy(refusal))) => {
                log_refusal(&refusal, context);
                Verdict::Unavailable(shown, Some(refusal))
            }
            Err((shown, AuthenticationError::Unavailable(cause))) => {
                let request_id = context.map(RequestContext::id);
                tracing::error!(request_id, cause, "cannot authenticate at the moment");
                Verdict::Unavailable(shown, None)
            }
        }
    }

    /// The scheme of the one `Authorization` header says what it is.
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        client: Option<IpAddr>,
    ) -> Result<Identity, (Shown, AuthenticationError)> {
        let result = self.authenticator.authenticate(headers, client).await;
        match (result, &self.tokens) {
            (Err(AuthenticationError::Refused(refusal)), Some(tokens))
                if refusal.reason == Reason::SchemeOther =>
            {
                let bearer = tokens.bearer(headers, client).await;
                bearer.map_err(|error| (Shown::as_bearer(headers), error))
            }
            (Err(AuthenticationError::Refused(refusal)), _) => {
                let shown = Shown::as_signed_request(refusal.reason);
                Err((shown, AuthenticationError::Refused(refusal)))
            }
            (result, _) => result.map_err(|error| (Shown::SignedRequest, error)),
        }
    }

    fn allowed(&self, identity: Option<&Identity>) -> Response {
        let Some(identity) = identity else { return self.nobody(StatusCode::OK) };
        let mut response = bare(StatusCode::OK);
        self.identity_headers.say(identity, response.headers_mut());
        response
    }

    /// One answer for every reason.
    fn challenged(&self) -> Response {
        let mut response = self.nobody(StatusCode::UNAUTHORIZED);
        for challenge in &self.challenges {
            response.headers_mut().append(WWW_AUTHENTICATE, challenge.clone());
        }
        response
    }

    fn limited(&self, over: OverLimit) -> Response {
        let mut response = self.nobody(StatusCode::TOO_MANY_REQUESTS);
        response.headers_mut().insert(RETRY_AFTER, rate_limits::retry_after(over));
        response
    }

    fn unavailable(&self) -> Response {
        let mut response = self.nobody(StatusCode::SERVICE_UNAVAILABLE);
        response.headers_mut().insert(RETRY_AFTER, RETRY_SOON);
        response
    }

    /// The identity headers are there, empty, for a gateway that copies them even from a
    /// refusal.
    fn nobody(&self, status: StatusCode) -> Response {
        let mut response = bare(status);
        self.identity_headers.say_nobody(response.headers_mut());
        response
    }
}

/// What is asked for is for others, or for nobody.
fn forbidden(context: Option<&RequestContext>, caller: Option<&Identity>) -> Verdict {
    let claimed_account = caller.map(|caller| caller.account().clone());
    let refusal = Refusal { reason: Reason::NotAllowed, claimed_account };
    log_refusal(&refusal, context);
    Verdict::Forbidden(caller.map_or(Shown::Nothing, Shown::from), Some(refusal))
}

/// The reason is for the operator; the request's id is what a refused caller can
/// quote. The token itself never gets here.
fn log_refusal(refusal: &Refusal, context: Option<&RequestContext>) {
    tracing::info!(
        reason = refusal.reason.code(),
        claimed_account = refusal.claimed_account.as_ref().map(tracing::field::debug),
        request_id = context.map(RequestContext::id),
        peer = context.and_then(|context| context.peer).map(tracing::field::display),
        client = context.and_then(|context| context.client).map(tracing::field::display),
        "refused"
    );
}

fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    // Room for all that will be said, at once.
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

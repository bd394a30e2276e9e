//! Lets operators in: accounts of the group `admin`, or, to look, of the group `auditor`, with
//! a token that they signed for this very call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use countersign_core::ports::{Act, OverLimit};
use countersign_core::{
    ADMIN_GROUP, AuthenticationError, Authenticator, Clock, Identity, Reason, Refusal,
    RequestBinding,
};
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method};

use super::bodies::Bodies;
use super::problems::Kind;
use super::role::Role;
use super::same_site::{Scheme, Target};
use crate::api::{Problem, routes};
use crate::metrics::{Metrics, Shown};
use crate::rate_limits::{self, AddressLimit};
use crate::refusals;
use crate::request_context::RequestContext;

/// What operators are judged by.
pub(super) struct Gatekeeper {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) challenge: HeaderValue,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) scheme: Scheme,
    pub(super) bodies: Arc<Bodies>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) address_limit: AddressLimit,
}

/// Why a call goes no further: what the caller hears, and what operators can look up.
struct NotAdmitted {
    problem: Problem,
    refusal: Option<Refusal>,
    /// Until when there are too many.
    over: Option<OverLimit>,
}

impl From<Problem> for NotAdmitted {
    fn from(problem: Problem) -> Self {
        Self { problem, refusal: None, over: None }
    }
}

/// Reads the body, authenticates the call as a whole, and passes it on with
/// the [`Act`] that it is.
pub(super) async fn admit(
    State(gatekeeper): State<Arc<Gatekeeper>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut head, body) = request.into_parts();
    let (identity, body) = match gatekeeper.authenticate(&head, body).await {
        Ok(admitted) => admitted,
        Err(refused) => return gatekeeper.refuse(refused),
    };
    if !may(Role::of(identity.groups()), &head) {
        let request_id = RequestContext::find(&head.extensions).map(RequestContext::id);
        tracing::info!(request_id, account = %identity.account(), "refused: not an administrator");
        gatekeeper.metrics.judgements.refused(Shown::SignedRequest, Reason::NotAllowed);
        let detail = format!(
            "the account {} is not in the group `{ADMIN_GROUP}`: ask an administrator to add it",
            identity.account()
        );
        return Kind::NotAnAdministrator.problem(detail).into_response();
    }
    gatekeeper.metrics.judgements.allowed(Shown::SignedRequest);
    let act = Act {
        actor: identity.account().to_string(),
        at: gatekeeper.clock.now(),
        from: client(&head),
    };
    head.extensions.insert(act);
    head.extensions.insert(identity);
    next.run(Request::from_parts(head, Body::from(body))).await
}

/// Auditors may call what changes nothing, and look into the console.
fn may(role: Option<Role>, head: &Parts) -> bool {
    let looks = head.method == Method::GET || head.uri.path() == routes::CONSOLE_LINKS;
    role.is_some_and(|role| role.may_change() || looks)
}

impl Gatekeeper {
    async fn authenticate(
        &self,
        head: &Parts,
        body: Body,
    ) -> Result<(Identity, Bytes), NotAdmitted> {
        let judgements = &self.metrics.judgements;
        if let Err(over) = self.address_limit.count(client(head)).await {
            return Err(self.too_many(head, (Reason::AddressOverLimit.into(), over)));
        }
        // Without this, strangers could make us hold bodies in memory.
        if !head.headers.contains_key(AUTHORIZATION) {
            judgements.refused(Shown::Nothing, Reason::HeaderMissing);
            return Err(unauthenticated().into());
        }
        let body = self.bodies.read(body).await?;
        let uri = self.target_uri(head).ok_or_else(unauthenticated)?;
        let binding = RequestBinding::of(head.method.as_str(), &uri, &body);
        let result =
            self.authenticator.authenticate_bound(&head.headers, client(head), Some(&binding));
        match result.await {
            Ok(identity) => Ok((identity, body)),
            Err(AuthenticationError::Refused(refusal)) => {
                log_refusal(&refusal, head);
                judgements.refused(Shown::as_signed_request(refusal.reason), refusal.reason);
                Err(NotAdmitted { problem: unauthenticated(), refusal: Some(refusal), over: None })
            }
            Err(AuthenticationError::Limited(refusal, over)) => {
                Err(self.too_many(head, (refusal, over)))
            }
            Err(AuthenticationError::Busy(refusal)) => {
                log_refusal(&refusal, head);
                judgements.unavailable(Shown::SignedRequest, Some(&refusal));
                let problem = Kind::Unavailable.problem("too many calls lately: try again");
                Err(NotAdmitted { problem, refusal: Some(refusal), over: None })
            }
            Err(AuthenticationError::Unavailable(cause)) => {
                let request_id = RequestContext::find(&head.extensions).map(RequestContext::id);
                tracing::error!(request_id, cause, "cannot authenticate at the moment");
                judgements.unavailable(Shown::SignedRequest, None);
                Err(Kind::Unavailable.problem("calls cannot be authenticated: try again").into())
            }
        }
    }

    /// What the caller must have signed as `htu`: the URI as it was sent.
    fn target_uri(&self, head: &Parts) -> Option<String> {
        let Target(authority) = head.extensions.get()?;
        let path = head.uri.path_and_query()?;
        Some(format!("{}://{authority}{path}", self.scheme.as_str()))
    }

    fn too_many(&self, head: &Parts, (refusal, over): (Refusal, OverLimit)) -> NotAdmitted {
        log_refusal(&refusal, head);
        self.metrics.judgements.limited(Shown::Nothing, &refusal);
        let problem = Kind::TooManyCalls.problem("wait for as long as `Retry-After` says");
        NotAdmitted { problem, refusal: Some(refusal), over: Some(over) }
    }

    fn refuse(&self, NotAdmitted { problem, refusal, over }: NotAdmitted) -> Response {
        let challenge = problem.status == http::StatusCode::UNAUTHORIZED;
        let mut response = problem.into_response();
        if let Some(refusal) = refusal {
            refusals::attach(&mut response, refusal, None);
        }
        if let Some(over) = over {
            response.headers_mut().insert(RETRY_AFTER, rate_limits::retry_after(over));
        }
        if challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, self.challenge.clone());
        }
        response
    }
}

/// One answer, whatever was wrong with the credential.
fn unauthenticated() -> Problem {
    Kind::Unauthenticated.problem(
        "sign this call (method, URI and body) as an administrator; if you did, check the \
         account, the key, the clock and the instance's id: the server's log has the reason",
    )
}

fn log_refusal(refusal: &Refusal, head: &Parts) {
    let context = RequestContext::find(&head.extensions);
    tracing::info!(
        reason = refusal.reason.code(),
        claimed_account = refusal.claimed_account.as_ref().map(tracing::field::debug),
        request_id = context.map(RequestContext::id),
        client = client(head).map(tracing::field::display),
        "refused"
    );
}

fn client(head: &Parts) -> Option<std::net::IpAddr> {
    RequestContext::find(&head.extensions).and_then(|context| context.client)
}

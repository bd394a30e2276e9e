//! The endpoint that gateways ask: who is this caller?
//!
//! It answers 200, 401 or 503, always without a body, and looks at nothing but
//! the credential: not at the method, the path, the query, conditions or the
//! body, all of which are the original request's.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use countersign_core::{AuthenticationError, Authenticator, Identity, Reason, Refusal};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::request_context::RequestContext;
use crate::token_service::{BEARER, TokenService};
use crate::unread_body;
use countersign_core::IdentityHeaders;

/// The path of the endpoint; whatever follows it is ignored.
pub const FORWARD_AUTH: &str = "/forward-auth";

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");
/// The most headers that an answer has.
const HEADERS: usize = 14;

/// What the endpoint works with.
pub(super) struct ForwardAuth {
    authenticator: Arc<Authenticator>,
    tokens: Option<Arc<TokenService>>,
    identity_headers: IdentityHeaders,
    challenges: Vec<HeaderValue>,
}

impl ForwardAuth {
    pub(super) fn new(
        authenticator: Arc<Authenticator>,
        tokens: Option<Arc<TokenService>>,
        identity_headers: IdentityHeaders,
    ) -> Self {
        // The one that most clients understand comes first.
        let bearer = tokens.is_some().then_some(HeaderValue::from_static(BEARER));
        let challenges = bearer.into_iter().chain([crate::challenge(authenticator.policy())]);
        Self { challenges: challenges.collect(), authenticator, tokens, identity_headers }
    }

    /// Answers whatever the method, the path and the body are.
    pub(super) async fn answer(&self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let context = RequestContext::find(&head.extensions);
        let client = context.and_then(|context| context.client);
        let result = self.authenticate(&head.headers, client).await;
        let mut response = match &result {
            Ok(identity) => {
                tracing::debug!(account = %identity.account(), "allowed");
                self.allowed(identity)
            }
            Err(AuthenticationError::Refused(refusal)) => {
                log_refusal(refusal, context, client);
                self.refused()
            }
            Err(AuthenticationError::Busy(refusal)) => {
                log_refusal(refusal, context, client);
                self.unavailable()
            }
            Err(AuthenticationError::Unavailable(cause)) => {
                let request_id = context.map(RequestContext::id);
                tracing::error!(request_id, cause, "cannot authenticate at the moment");
                self.unavailable()
            }
        };
        unread_body::settle(&head, body, &mut response).await;
        response
    }

    /// The scheme of the one `Authorization` header says what it is.
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        client: Option<IpAddr>,
    ) -> Result<Identity, AuthenticationError> {
        let result = self.authenticator.authenticate(headers, client).await;
        match (result, &self.tokens) {
            (Err(AuthenticationError::Refused(refusal)), Some(tokens))
                if refusal.reason == Reason::SchemeOther =>
            {
                tokens.bearer(headers, client).await
            }
            (result, _) => result,
        }
    }

    fn allowed(&self, identity: &Identity) -> Response {
        let mut response = bare(StatusCode::OK);
        self.identity_headers.say(identity, response.headers_mut());
        response
    }

    /// One answer for every reason. The identity headers are there, empty, for a
    /// gateway that copies them even from a refusal.
    fn refused(&self) -> Response {
        let mut response = bare(StatusCode::UNAUTHORIZED);
        self.identity_headers.say_nobody(response.headers_mut());
        for challenge in &self.challenges {
            response.headers_mut().append(WWW_AUTHENTICATE, challenge.clone());
        }
        response
    }

    fn unavailable(&self) -> Response {
        let mut response = bare(StatusCode::SERVICE_UNAVAILABLE);
        self.identity_headers.say_nobody(response.headers_mut());
        response.headers_mut().insert(RETRY_AFTER, RETRY_SOON);
        response
    }
}

/// The reason is for the operator; the request's id is what a refused caller can
/// quote. The token itself never gets here.
fn log_refusal(refusal: &Refusal, context: Option<&RequestContext>, client: Option<IpAddr>) {
    tracing::info!(
        reason = refusal.reason.code(),
        claimed_account = refusal.claimed_account.as_ref().map(tracing::field::debug),
        request_id = context.map(RequestContext::id),
        peer = context.and_then(|context| context.peer).map(tracing::field::display),
        client = client.map(tracing::field::display),
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

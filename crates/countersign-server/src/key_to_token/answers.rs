//! Answers as `jwthenticator` gives them. One member more, and its clients raise.

use axum::body::Body;
use axum::response::Response;
use countersign_core::Refusal;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::wire::{Nothing, Outcome};
use crate::rate_limits;
use crate::refusals;
use crate::request_context::RequestContext;
use crate::token_service::TokenError;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// How long an answer with tokens usually is, in bytes.
const USUAL_BYTES: usize = 768;

/// An answer with a JSON body. None may be stored: some are secrets, all depend on now.
pub(super) fn json_answer(status: StatusCode, body: &impl Serialize) -> Response {
    let mut json = Vec::with_capacity(USUAL_BYTES);
    // Unwrap safety: these bodies are maps with text keys.
    serde_json::to_writer(&mut json, body).expect("a body can be written");
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// `{"message": null, "result": ..}`.
pub(super) fn result(status: StatusCode, result: bool) -> Response {
    json_answer(status, &Outcome { message: None, result })
}

/// An answer that says nothing but its status.
pub(super) fn empty(status: StatusCode) -> Response {
    json_answer(status, &Nothing {})
}

/// What a caller may try again after a moment.
pub(super) fn unavailable() -> Response {
    let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// One answer to everything that is refused, another to what cannot be said now.
pub(super) fn failed(error: &TokenError, context: Option<&RequestContext>) -> Response {
    let request_id = context.map(RequestContext::id);
    match error {
        TokenError::Refused(refusal) => refused(StatusCode::UNAUTHORIZED, refusal, context),
        TokenError::Limited(refusal, over) => {
            let mut response = refused(StatusCode::TOO_MANY_REQUESTS, refusal, context);
            response.headers_mut().insert(RETRY_AFTER, rate_limits::retry_after(*over));
            response
        }
        TokenError::Unavailable(cause) => {
            tracing::error!(request_id, cause, "cannot serve tokens at the moment");
            unavailable()
        }
    }
}

fn refused(status: StatusCode, refusal: &Refusal, context: Option<&RequestContext>) -> Response {
    tracing::info!(
        reason = refusal.reason.code(),
        claimed_account = refusal.claimed_account.as_ref().map(tracing::field::debug),
        request_id = context.map(RequestContext::id),
        client = context.and_then(|it| it.client).map(tracing::field::display),
        "refused"
    );
    let mut response = empty(status);
    refusals::attach(&mut response, refusal.clone(), None);
    response
}

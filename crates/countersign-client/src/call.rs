//! One call of the service: JSON there, JSON back, within fixed limits.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::Full;
use reqwest::{Body, Client, Response};
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

/// The longest answer that is read, in bytes: an access token and a refresh token
/// at their longest, and as much again.
pub const MAX_ANSWER_BYTES: usize = 36 * 1024;
/// What a body is written into, so that no piece of it is left behind where a
/// growing buffer was: the longest key, with every character escaped.
const REQUEST_CAPACITY: usize = 8 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The service gave no answer that could be used. Neither what was sent nor what
/// was answered is repeated here: both have secrets in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No connection, or a broken one, at each attempt of the [`RetryPolicy`].
    ///
    /// [`RetryPolicy`]: crate::RetryPolicy
    #[error("the service cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time, at the last attempt.
    #[error("the service gave no complete answer within {0:?}")]
    TooSlow(Duration),
    /// The service, or what stands before it, cannot answer now, nor at the attempts
    /// before.
    #[error("the service is busy or down for now (status {status}): try later")]
    Busy {
        /// 429, 502, 503 or 504.
        status: u16,
        /// When to ask again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The answer is elsewhere.
    #[error(
        "the service redirects: secrets are not sent after a redirect, use the URL it leads to"
    )]
    Redirected,
    /// Another status than the route has.
    #[error("the service answered {0}: is this its URL, and the right listener?")]
    Status(u16),
    /// More bytes than are read.
    #[error("the service's answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    /// Not the answer of this route.
    #[error("the service's answer cannot be understood: is this the URL of a Countersign service?")]
    Malformed,
    /// The tokio runtime in which the call was made is no more.
    #[error("the runtime that made the call was shut down meanwhile: call again")]
    CutOff,
}

impl CallError {
    /// Whether the same call may be answered a little later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TooSlow(_) | Self::Busy { .. })
    }

    /// When the service wants to be asked again, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Writes a request's body, whose memory is overwritten after its last use.
pub(crate) fn write(body: &impl Serialize) -> Bytes {
    let mut json = Zeroizing::new(Vec::with_capacity(REQUEST_CAPACITY));
    // Unwrap safety: a vector takes everything, and the bodies of this crate are
    // structures of strings.
    serde_json::to_writer(&mut *json, body).expect("a body of strings");
    Bytes::from_owner(json)
}

/// Makes one attempt, and gives the body of a successful answer.
pub(crate) async fn post(
    http: &Client,
    url: Url,
    body: Bytes,
) -> Result<Zeroizing<Vec<u8>>, CallError> {
    // A client that follows redirects can send a body again only if it has it as a
    // whole. As a stream it is sent once, to the URL that was asked for, whatever
    // client the caller brought.
    let once = Body::wrap(Full::new(body));
    let answer = http
        .post(url.clone())
        .header(CONTENT_TYPE, JSON)
        .header(ACCEPT, JSON)
        .body(once)
        .send()
        .await
        .map_err(unreachable)?;
    if *answer.url() != url {
        return Err(CallError::Redirected);
    }
    check_status(answer.status(), answer.headers())?;
    read(answer).await
}

fn check_status(status: StatusCode, headers: &HeaderMap) -> Result<(), CallError> {
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            Err(CallError::Busy { status: status.as_u16(), retry_after: retry_after(headers) })
        }
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(CallError::Redirected),
        status => Err(CallError::Status(status.as_u16())),
    }
}

/// Seconds. The other form, a date, would need two clocks that agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Reads piece by piece, so that an endless body costs no more than the limit.
async fn read(mut answer: Response) -> Result<Zeroizing<Vec<u8>>, CallError> {
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_ANSWER_BYTES));
    while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
        if piece.len() > MAX_ANSWER_BYTES - body.len() {
            return Err(CallError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The chain of causes, without the URL that the caller knows.
fn unreachable(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    CallError::Unreachable(text)
}

#[cfg(test)]
mod tests {
    use countersign_core::MAX_API_KEY_BYTES;

    use super::*;

    #[test]
    fn the_longest_body_never_grows_out_of_its_buffer() {
        let longest = "\u{1}".repeat(MAX_API_KEY_BYTES);
        let body = write(&serde_json::json!({ "key": longest, "identifier": uuid::Uuid::nil() }));
        assert!(body.len() < REQUEST_CAPACITY, "{}", body.len());
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        let read = |value: &'static str| {
            let headers = [(RETRY_AFTER, HeaderValue::from_static(value))].into_iter().collect();
            retry_after(&headers).map(|pause| pause.as_secs())
        };
        assert_eq!(read("7"), Some(7));
        for unread in ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(read(unread), None, "{unread}");
        }
    }

    #[test]
    fn only_what_may_pass_is_temporary() {
        let error = |status| {
            let status = StatusCode::from_u16(status).unwrap();
            check_status(status, &HeaderMap::new()).unwrap_err()
        };
        for status in [429, 502, 503, 504] {
            assert_eq!(error(status), CallError::Busy { status, retry_after: None });
            assert!(error(status).is_temporary(), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 409, 413, 500] {
            assert_eq!(error(status), CallError::Status(status));
            assert!(!error(status).is_temporary(), "{status}");
        }
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(error(status), CallError::Redirected);
        }
    }
}

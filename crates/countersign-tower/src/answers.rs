//! What those hear who may not pass.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{Either, Full};

use crate::policy::{PolicyError, Way};

/// The body of a service's answer, or of the layer's own.
pub type GuardedBody<B> = Either<B, Full<Bytes>>;

/// How long a caller should wait before it tries again, in seconds, when a
/// dependency of authentication is down.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
/// The realm of a `Bearer` challenge that has none of its own: RFC 6750 section 3 wants
/// a parameter there.
const USUAL_REALM: &str = "api";

/// Why a request may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// The caller has not proved who it is: 401.
    Unauthenticated {
        /// Whether it has tried to.
        sent_a_token: bool,
    },
    /// The caller is known and may not: 403.
    Forbidden,
    /// The caller's credential was used too often lately: 429.
    Limited {
        /// In how many seconds to try again.
        retry_after_seconds: u64,
    },
    /// It cannot be said at the moment who the caller is: 503.
    Unavailable,
    /// There is no layer that says who the caller is, a mistake in the service: 500.
    Misconfigured,
}

pub(crate) type Responder = Arc<dyn Fn(Denial, Response<Bytes>) -> Response<Bytes> + Send + Sync>;

/// How one scheme challenges a caller (RFC 9110 section 11.6.1, RFC 6750 section 3).
pub(crate) struct Challenge {
    /// To one that has sent no token.
    plain: HeaderValue,
    /// To one whose token is no good.
    invalid_token: HeaderValue,
}

impl Challenge {
    pub(crate) fn new(way: &Way, realm: Option<&str>) -> Result<Self, PolicyError> {
        let scheme = way.scheme();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if scheme.is_empty() || !scheme.bytes().all(is_token) {
            return Err(PolicyError::SchemeMalformed(scheme.to_owned()));
        }
        let usual = scheme.eq_ignore_ascii_case("Bearer").then_some(USUAL_REALM);
        let realm = realm.or(usual);
        if let Some(realm) = realm
            && realm.contains(|c: char| !matches!(c, ' '..='~') || matches!(c, '"' | '\\'))
        {
            return Err(PolicyError::RealmMalformed(realm.to_owned()));
        }
        let realm = realm.map(|realm| format!("realm=\"{realm}\""));
        let error = Some("error=\"invalid_token\"".to_owned());
        let challenge = |parameters: [&Option<String>; 2]| {
            let parameters: Vec<_> = parameters.into_iter().flatten().cloned().collect();
            let text = format!("{scheme} {}", parameters.join(", "));
            // Unwrap safety: a token and printable ASCII.
            HeaderValue::from_str(text.trim_end()).expect("printable ASCII")
        };
        Ok(Self { plain: challenge([&realm, &None]), invalid_token: challenge([&realm, &error]) })
    }
}

/// How a policy answers.
pub(crate) struct Answers {
    challenges: Vec<Challenge>,
    challenges_forbidden: bool,
    responder: Option<Responder>,
}

impl Answers {
    pub(crate) fn new(
        challenges: Vec<Challenge>,
        challenges_forbidden: bool,
        responder: Option<Responder>,
    ) -> Self {
        Self { challenges, challenges_forbidden, responder }
    }

    pub(crate) fn challenges(&self, sent_a_token: bool) -> impl Iterator<Item = &HeaderValue> {
        self.challenges.iter().map(move |challenge| {
            if sent_a_token { &challenge.invalid_token } else { &challenge.plain }
        })
    }

    pub(crate) fn deny(&self, denial: Denial, is_grpc: bool) -> Response<Bytes> {
        let denial = match denial {
            Denial::Forbidden if self.challenges_forbidden => {
                Denial::Unauthenticated { sent_a_token: false }
            }
            other => other,
        };
        let mut response = if is_grpc { grpc(denial) } else { problem(denial) };
        if let Denial::Unauthenticated { sent_a_token } = denial {
            for challenge in self.challenges(sent_a_token) {
                response.headers_mut().append(WWW_AUTHENTICATE, challenge.clone());
            }
        }
        match &self.responder {
            Some(responder) => responder(denial, response),
            None => response,
        }
    }
}

/// The answer where no policy says how to answer.
pub(crate) fn misconfigured(is_grpc: bool) -> Response<Bytes> {
    tracing::error!(
        "a route asks who may pass, but no layer before it says who calls: put RequireAuth or \
         AllowAnonymous outside of it"
    );
    if is_grpc { grpc(Denial::Misconfigured) } else { problem(Denial::Misconfigured) }
}

/// Whether the caller speaks gRPC, and so looks for the outcome in `grpc-status`.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// RFC 9457. What is wrong with a credential is not said.
fn problem(denial: Denial) -> Response<Bytes> {
    let (status, body): (_, &[u8]) = match denial {
        Denial::Unauthenticated { .. } => (
            StatusCode::UNAUTHORIZED,
            br#"{"type":"about:blank","title":"Unauthorized","status":401}"#,
        ),
        Denial::Forbidden => {
            (StatusCode::FORBIDDEN, br#"{"type":"about:blank","title":"Forbidden","status":403}"#)
        }
        Denial::Limited { .. } => (
            StatusCode::TOO_MANY_REQUESTS,
            br#"{"type":"about:blank","title":"Too Many Requests","status":429}"#,
        ),
        Denial::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            br#"{"type":"about:blank","title":"Service Unavailable","status":503}"#,
        ),
        Denial::Misconfigured => (
            StatusCode::INTERNAL_SERVER_ERROR,
            br#"{"type":"about:blank","title":"Internal Server Error","status":500}"#,
        ),
    };
    let mut response = answer(status, denial, "application/problem+json");
    *response.body_mut() = Bytes::from_static(body);
    response
}

/// A gRPC answer that consists of trailers alone: its status is in a header.
///
/// The HTTP status stays what it is, other than gRPC servers have it. Whoever calls says
/// that it speaks gRPC, and who looks at the HTTP status alone, such as a gateway that
/// asks, must not take a refusal for a success. Clients understand it.
fn grpc(denial: Denial) -> Response<Bytes> {
    let (status, grpc_status) = match denial {
        Denial::Unauthenticated { .. } => (StatusCode::UNAUTHORIZED, "16"),
        Denial::Forbidden => (StatusCode::FORBIDDEN, "7"),
        // RESOURCE_EXHAUSTED
        Denial::Limited { .. } => (StatusCode::TOO_MANY_REQUESTS, "8"),
        Denial::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "14"),
        Denial::Misconfigured => (StatusCode::INTERNAL_SERVER_ERROR, "13"),
    };
    let mut response = answer(status, denial, "application/grpc");
    response.headers_mut().insert("grpc-status", HeaderValue::from_static(grpc_status));
    response
}

fn answer(status: StatusCode, denial: Denial, content_type: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match denial {
        Denial::Limited { retry_after_seconds } => {
            headers.insert(RETRY_AFTER, retry_after_seconds.into());
        }
        Denial::Unavailable => {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        _ => {}
    }
    response
}

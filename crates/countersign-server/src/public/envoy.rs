//! Envoy's own question over gRPC, `envoy.service.auth.v3.Authorization/Check`, with the
//! same answers as the endpoints that are asked over HTTP.
//!
//! Where those are answered with headers that a gateway's configuration copies, the answer
//! here says itself what becomes of the request: which headers are set or removed before
//! the service gets it, or what the caller is told.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use countersign_core::IdentityHeaders;
use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, HeaderAppendAction,
    HttpStatusCode,
};
use envoy_types::ext_authz::v3::{
    CheckRequestExt as _, CheckResponseExt as _, DeniedHttpResponseBuilder, OkHttpResponseBuilder,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tonic::Status;

use super::gateway_judge::GatewayJudge;
use super::original_request::{OriginalRequest, Unclear};
use super::{PublicState, unavailable};
use crate::layers::Layers;
use crate::refusals;
use crate::request_context::{RequestContext, RequestContexts, X_REQUEST_ID, conceal_credentials};

/// The one method of Envoy's `envoy.service.auth.v3.Authorization`, over gRPC on a listener
/// of its own.
pub const ENVOY_CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The longest question, in bytes: a header section as Envoy takes it, its path a second
/// time, and as much of a body as a configuration may send along for nothing.
const MAX_QUESTION_BYTES: usize = 1024 * 1024;

/// Answers Envoy.
struct EnvoyChecks {
    judge: GatewayJudge,
    identity_headers: IdentityHeaders,
    contexts: Arc<RequestContexts>,
}

/// What answers on the listener for Envoy's gRPC.
pub(super) fn routes(state: &PublicState) -> Router {
    let layers = Layers::new(Arc::clone(&state.contexts), state.limits, unavailable);
    let checks = EnvoyChecks {
        judge: GatewayJudge::new(state),
        identity_headers: state.identity_headers.clone(),
        contexts: Arc::clone(&state.contexts),
    };
    let server = AuthorizationServer::new(checks).max_decoding_message_size(MAX_QUESTION_BYTES);
    let route = Router::new().route_service(ENVOY_CHECK, server);
    layers.observe(layers.limit(route))
}

#[tonic::async_trait]
impl Authorization for EnvoyChecks {
    async fn check(
        &self,
        question: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, Status> {
        let (_, extensions, question) = question.into_parts();
        let client = question.get_client_address().and_then(|address| address.parse().ok());
        let context = RequestContext::find(&extensions).map(|asking| self.context(asking, client));
        let request = question.attributes.and_then(|attributes| attributes.request?.http);
        // Envoy can also ask about plain connections.
        let request = request.ok_or_else(|| Status::invalid_argument("no HTTP request"))?;
        let headers = read_headers(&request);
        let original = |with_host| original(&request, with_host);
        let answer = self.judge.judge(&headers, context.as_ref(), original).await;
        let mut check = tonic::Response::new(if answer.status() == StatusCode::OK {
            self.pass_on(&answer, &headers)
        } else {
            refused(&answer, context.as_ref())
        });
        refusals::hand_on(&answer, check.extensions_mut());
        Ok(check)
    }
}

impl EnvoyChecks {
    /// The original request comes from where Envoy says, if its word is taken.
    fn context(&self, asking: &RequestContext, client: Option<IpAddr>) -> RequestContext {
        match client {
            Some(client) => self.contexts.on_behalf_of(asking, client),
            None => asking.clone(),
        }
    }

    /// The service gets each identity header once, whatever the client sent.
    fn pass_on(&self, answer: &Response, headers: &HeaderMap) -> CheckResponse {
        let mut passed = OkHttpResponseBuilder::new();
        for (name, _) in self.identity_headers.described() {
            let value = answer.headers().get(name).map(text).unwrap_or_default();
            let replace = Some(HeaderAppendAction::OverwriteIfExistsOrAdd);
            passed.add_header(name.as_str(), value, replace, true);
        }
        for alias in self.identity_headers.aliases(headers) {
            passed.remove_header(alias.as_str());
        }
        let mut check = CheckResponse::with_status(Status::ok(""));
        check.set_http_response(passed);
        check
    }
}

/// The caller hears what it would hear from an endpoint.
fn refused(answer: &Response, context: Option<&RequestContext>) -> CheckResponse {
    let (status, code) = match answer.status() {
        StatusCode::UNAUTHORIZED => (Status::unauthenticated(""), HttpStatusCode::Unauthorized),
        StatusCode::FORBIDDEN => (Status::permission_denied(""), HttpStatusCode::Forbidden),
        StatusCode::TOO_MANY_REQUESTS => {
            (Status::resource_exhausted(""), HttpStatusCode::TooManyRequests)
        }
        _ => (Status::unavailable(""), HttpStatusCode::ServiceUnavailable),
    };
    let mut denied = DeniedHttpResponseBuilder::new();
    denied.set_http_status(code);
    for name in [WWW_AUTHENTICATE, CACHE_CONTROL, RETRY_AFTER] {
        for value in answer.headers().get_all(&name) {
            denied.add_header(name.as_str(), text(value), None, false);
        }
    }
    if let Some(context) = context {
        denied.add_header(X_REQUEST_ID.as_str(), context.id(), None, false);
    }
    let mut check = CheckResponse::with_status(status);
    check.set_http_response(denied);
    check
}

/// All that we say in headers is ASCII.
fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn original(request: &HttpRequest, with_host: bool) -> Result<OriginalRequest, Unclear> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| Unclear::Method)?;
    OriginalRequest::read(method, with_host.then_some(request.host.as_str()), &request.path)
}

/// The request's headers, as far as they are headers: Envoy puts `:path` and its like among
/// them. A line of its own for each is sent only with `encode_raw_headers`; otherwise those
/// of one name are joined with commas.
fn read_headers(request: &HttpRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &[u8]| {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    };
    match &request.header_map {
        Some(lines) => lines.headers.iter().for_each(|line| {
            let raw = &line.raw_value;
            add(&line.key, if raw.is_empty() { line.value.as_bytes() } else { raw });
        }),
        None => request.headers.iter().for_each(|(name, value)| add(name, value.as_bytes())),
    }
    conceal_credentials(&mut headers);
    headers
}

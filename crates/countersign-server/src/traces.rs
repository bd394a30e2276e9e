//! The span of a request in a trace, as OpenTelemetry's conventions for HTTP servers have it.
//!
//! It is made only if somebody follows traces: a layer of `tracing-opentelemetry` that takes
//! spans of the target [`TRACES`]. Of the URL it has the route alone: path and query are the
//! original request's when a gateway asks, and may carry anybody's secrets.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};
use opentelemetry::global;
use opentelemetry::trace::{TraceContextExt as _, TraceId};
use opentelemetry_http::HeaderExtractor;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::refusals;
use crate::request_context::RequestContext;

/// The target of spans that belong into traces, and of nothing else.
pub const TRACES: &str = "countersign_server::spans";

/// Methods that keep their names (RFC 9110, RFC 5789). Others could be anything.
const KNOWN: [Method; 9] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

/// A request in its trace: disabled if nobody follows it.
#[derive(Clone)]
pub(crate) struct TracedRequest(Span);

impl TracedRequest {
    /// Begins where the caller's trace (W3C `traceparent`) comes in.
    pub(crate) fn begin(context: &RequestContext, request: &Request, route: Option<&str>) -> Self {
        let method = known(request.method());
        let span = tracing::debug_span!(
            target: TRACES,
            "request",
            otel.kind = "server",
            otel.name = %Name(method, route),
            http.request.method = method,
            http.route = route,
            http.response.status_code = Empty,
            client.address = context.client.map(tracing::field::display),
            countersign.request_id = context.id(),
            countersign.outcome = Empty,
            countersign.reason = Empty,
            otel.status_code = Empty,
        );
        if !span.is_disabled() {
            let headers = HeaderExtractor(request.headers());
            let parent = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
            // Without a layer for traces there is nobody to tell.
            let _ = span.set_parent(parent);
        }
        Self(span)
    }

    /// Says which route it is, where that is found behind the credential.
    fn is_at(&self, method: &Method, route: &str) {
        self.0.record("http.route", route);
        // `otel.name` counts when a span begins.
        let name = Name(known(method), Some(route)).to_string();
        self.0.context().span().update_name(name);
    }

    /// What goes on in it.
    pub(crate) fn span(&self) -> &Span {
        &self.0
    }

    /// The trace that it belongs to, for log lines.
    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        if self.0.is_disabled() {
            return None;
        }
        let context = self.0.context();
        let trace = context.span().span_context().clone();
        trace.is_valid().then(|| trace.trace_id())
    }

    /// Says how it ended. Only of `decides`, a gateway's question, the status says what was
    /// decided.
    pub(crate) fn end(&self, response: &Response, decides: bool) {
        let Self(span) = self;
        if span.is_disabled() {
            return;
        }
        let status = response.status();
        span.record("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        let reason = refusals::reason(response);
        if let Some(reason) = reason {
            span.record("countersign.reason", reason.code());
        }
        if decides || reason.is_some() {
            span.record("countersign.outcome", outcome(status, reason.is_some()));
        }
    }
}

/// In front of routes that a router inside of the others finds: puts theirs into the span.
pub(crate) async fn name_route(route: MatchedPath, request: Request, next: Next) -> Response {
    if let Some(traced) = request.extensions().get::<TracedRequest>() {
        traced.is_at(request.method(), route.as_str());
    }
    next.run(request).await
}

fn known(method: &Method) -> &str {
    if KNOWN.contains(method) { method.as_str() } else { "_OTHER" }
}

/// As the metrics call it. Envoy's answers are 200 whatever they say.
fn outcome(status: StatusCode, is_refused: bool) -> &'static str {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        StatusCode::TOO_MANY_REQUESTS => "limited",
        status if status.is_success() && !is_refused => "allowed",
        _ => "refused",
    }
}

/// A span's name: a method and, where it is known, a route.
struct Name<'a>(&'a str, Option<&'a str>);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(method, route) = self;
        f.write_str(method)?;
        route.map_or(Ok(()), |route| write!(f, " {route}"))
    }
}

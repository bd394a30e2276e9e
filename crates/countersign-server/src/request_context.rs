//! What is known of every request before it is handled: its id and its origin.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use countersign_core::Random;
use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument as _;

use crate::metrics::{Place, Traffic};
use crate::peer::{PeerAddress, TrustedProxies};
use crate::refusals::RecentRefusals;
use crate::traces::TracedRequest;

/// The header that carries a request's id, both ways.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a gateway, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// A request's id and origin, an extension of every request.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    id: HeaderValue,
    /// The client's address, if it is known.
    pub(crate) client: Option<IpAddr>,
    /// The connection's other end: the client or a gateway.
    pub(crate) peer: Option<IpAddr>,
}

/// Makes the contexts of one listener's requests.
pub struct RequestContexts {
    trusted_proxies: TrustedProxies,
    prefix: u64,
    next: AtomicU64,
    refusals: Option<Arc<RecentRefusals>>,
    traffic: Option<(Arc<Traffic>, PlaceOf)>,
}

/// Where a request goes, by the route that a router found and by its path.
struct PlaceOf(fn(Option<&str>, &str) -> Place);

impl RequestContexts {
    /// Ids begin with a number drawn at the start, so that two runs or two
    /// replicas do not use the same ones, and count up from there.
    pub fn new(trusted_proxies: TrustedProxies, random: &dyn Random) -> Self {
        let mut prefix = [0; 8];
        random.fill(&mut prefix);
        let (prefix, next) = (u64::from_be_bytes(prefix), AtomicU64::new(0));
        Self { trusted_proxies, prefix, next, refusals: None, traffic: None }
    }

    /// The same, with what is refused remembered there.
    #[must_use]
    pub fn with_refusals(self, refusals: Arc<RecentRefusals>) -> Self {
        Self { refusals: Some(refusals), ..self }
    }

    /// The same, with requests counted and measured there. For those that a router has
    /// found, `place_of` says by the route and the path where they go.
    #[must_use]
    pub(crate) fn with_traffic(
        self,
        traffic: Arc<Traffic>,
        place_of: fn(Option<&str>, &str) -> Place,
    ) -> Self {
        Self { traffic: Some((traffic, PlaceOf(place_of))), ..self }
    }

    /// Gives the request its context, runs it in a span, and tells the caller the id.
    ///
    /// The span names the route, not the path or the query: those are the original
    /// request's when a gateway asks, and may carry anybody's secrets.
    pub(crate) async fn establish<F: Future<Output = Response>>(
        &self,
        (route, place): (Option<&str>, Option<Place>),
        mut request: Request,
        next: impl FnOnce(Request) -> F,
    ) -> Response {
        let under_way = self.traffic.as_ref().map(|(traffic, PlaceOf(place_of))| {
            traffic.begin(place.unwrap_or_else(|| place_of(route, request.uri().path())))
        });
        conceal_credentials(request.headers_mut());
        let context = self.of(&request);
        let traced = TracedRequest::begin(&context, &request, route);
        let span = tracing::debug_span!(
            "request",
            id = context.id(),
            method = %request.method(),
            route,
            client = context.client.map(tracing::field::display),
            trace_id = traced.trace_id().map(tracing::field::display),
        );
        let (id, client) = (context.id.clone(), context.client);
        request.extensions_mut().insert(context);
        if !traced.span().is_disabled() {
            request.extensions_mut().insert(traced.clone());
        }
        let mut response = if span.is_disabled() && traced.span().is_disabled() {
            next(request).await
        } else {
            next(request).instrument(span).instrument(traced.span().clone()).await
        };
        traced.end(&response, place.is_some());
        if let Some(refusals) = &self.refusals {
            refusals.note(&mut response, id.to_str().unwrap_or(""), client);
        }
        response.headers_mut().insert(X_REQUEST_ID.clone(), id);
        drop(under_way);
        response
    }

    fn of(&self, request: &Request) -> RequestContext {
        let peer = request.extensions().get::<PeerAddress>();
        let peer = peer.map(|PeerAddress(address)| address.ip().to_canonical());
        let client = peer.map(|peer| self.trusted_proxies.client(peer, request.headers()));
        let given = request.headers().get(&X_REQUEST_ID).filter(|id| is_acceptable(id));
        // Only a gateway may name requests: a stranger could borrow another's id.
        let believed = given.filter(|_| peer.is_some_and(|ip| self.trusted_proxies.contains(ip)));
        RequestContext { id: believed.cloned().unwrap_or_else(|| self.fresh_id()), client, peer }
    }

    /// The context of a request that another asks about: from `client`, if the peer may say so.
    pub(crate) fn on_behalf_of(&self, asking: &RequestContext, client: IpAddr) -> RequestContext {
        let believed = asking.peer.is_some_and(|peer| self.trusted_proxies.contains(peer));
        let client = if believed { Some(client.to_canonical()) } else { asking.client };
        RequestContext { client, ..asking.clone() }
    }

    fn fresh_id(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Unwrap safety: hexadecimal digits and a hyphen are header characters.
        HeaderValue::try_from(format!("{:016x}-{number:x}", self.prefix)).expect("ASCII")
    }
}

impl RequestContext {
    /// The context that [`RequestContexts::establish`] left.
    pub(crate) fn find(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The id as text.
    pub(crate) fn id(&self) -> &str {
        self.id.to_str().unwrap_or("")
    }
}

/// Does so around what a router has found.
pub(crate) async fn establish(
    State(contexts): State<Arc<RequestContexts>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    contexts.establish((route, None), request, |request| next.run(request)).await
}

/// From here on the Debug output of the headers shows `Sensitive` instead.
pub(crate) fn conceal_credentials(headers: &mut HeaderMap) {
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION] {
        if let http::header::Entry::Occupied(mut values) = headers.entry(name) {
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}

fn is_acceptable(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    (1..=MAX_REQUEST_ID_BYTES).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

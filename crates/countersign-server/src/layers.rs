//! What stands around every route: panics are caught, requests get an id and a
//! span, and no more than so many are handled at a time, none longer than so long.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::metrics::Place;
use crate::request_context::{self, RequestContext, RequestContexts};

/// How much may go on at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a request may take from its head to its answer's head.
    pub request_timeout: Duration,
    /// How many requests are handled at once; more are answered 503.
    pub concurrent_requests: usize,
}

impl Limits {
    /// For the listener that gateways ask.
    pub const PUBLIC: Self =
        Self { request_timeout: Duration::from_secs(10), concurrent_requests: 4096 };
    /// For the listener that operators ask.
    pub const INTERNAL: Self =
        Self { request_timeout: Duration::from_secs(30), concurrent_requests: 64 };
}

/// Why a request gets an answer that no handler made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It took longer than [`Limits::request_timeout`].
    TimedOut,
    /// [`Limits::concurrent_requests`] others were being handled.
    Overloaded,
    /// The handler panicked: a defect.
    Panicked,
}

/// The layers of one listener.
#[derive(Clone)]
pub struct Layers {
    contexts: Arc<RequestContexts>,
    gate: Gate,
}

impl Layers {
    /// Layers that let so much go on at one time.
    ///
    /// `contexts` makes ids and finds out where requests come from; `last_resort` is the
    /// answer to a request that no handler answered.
    pub fn new(
        contexts: Arc<RequestContexts>,
        limits: Limits,
        last_resort: fn(Failure) -> Response,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(limits.concurrent_requests));
        let gate = Gate { permits, timeout: limits.request_timeout, last_resort };
        Self { contexts, gate }
    }

    /// Limits these routes. Routes for probes stay outside, so that a busy
    /// server does not pass for a dead one.
    pub fn limit(&self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self.gate.clone(), pass))
    }

    /// Catches panics of these routes and gives each request its id and span.
    pub fn observe(&self, routes: Router) -> Router {
        let last_resort = self.gate.last_resort;
        routes
            .layer(CatchPanicLayer::custom(move |panic| panicked(last_resort, panic)))
            .layer(from_fn_with_state(Arc::clone(&self.contexts), request_context::establish))
    }

    /// All of them around a handler that no router has to find.
    pub(crate) async fn around<F: Future<Output = Response>>(
        &self,
        (route, place): (&str, Place),
        request: Request,
        handler: impl FnOnce(Request) -> F,
    ) -> Response {
        let guarded = async |request| {
            AssertUnwindSafe(self.gate.pass(request, handler))
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| panicked(self.gate.last_resort, panic))
        };
        self.contexts.establish((Some(route), Some(place)), request, guarded).await
    }
}

/// The message stays out of the log: it may quote what a caller sent. The panic hook has
/// printed the place.
fn panicked(last_resort: fn(Failure) -> Response, _: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    last_resort(Failure::Panicked)
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    gate.pass(request, |request| next.run(request)).await
}

#[derive(Clone)]
struct Gate {
    permits: Arc<Semaphore>,
    timeout: Duration,
    last_resort: fn(Failure) -> Response,
}

impl Gate {
    async fn pass<F: Future<Output = Response>>(
        &self,
        request: Request,
        next: impl FnOnce(Request) -> F,
    ) -> Response {
        let context = RequestContext::find(request.extensions()).cloned();
        let Ok(_permit) = self.permits.try_acquire() else {
            let request_id = context.as_ref().map(RequestContext::id);
            tracing::warn!(request_id, "too many requests at once, this one is turned away");
            return (self.last_resort)(Failure::Overloaded);
        };
        tokio::time::timeout(self.timeout, next(request)).await.unwrap_or_else(|_| {
            let request_id = context.as_ref().map(RequestContext::id);
            tracing::error!(request_id, limit = ?self.timeout, "a request took too long");
            (self.last_resort)(Failure::TimedOut)
        })
    }
}

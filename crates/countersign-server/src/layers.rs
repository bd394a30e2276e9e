//! What stands around every route: panics are caught, requests get an id and a
//! span, and no more than so many are handled at a time, none longer than so long.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::request_context::{self, RequestContexts};

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
    /// Makes ids and finds out where requests come from.
    pub contexts: Arc<RequestContexts>,
    /// How much may go on at one time.
    pub limits: Limits,
    /// The answer to a request that no handler answered.
    pub last_resort: fn(Failure) -> Response,
}

impl Layers {
    /// Limits these routes. Routes for probes stay outside, so that a busy
    /// server does not pass for a dead one.
    pub fn limit(&self, routes: Router) -> Router {
        let gate = Gate {
            permits: Arc::new(Semaphore::new(self.limits.concurrent_requests)),
            timeout: self.limits.request_timeout,
            last_resort: self.last_resort,
        };
        routes.layer(from_fn_with_state(gate, Gate::pass))
    }

    /// Catches panics of these routes and gives each request its id and span.
    pub fn observe(&self, routes: Router) -> Router {
        let last_resort = self.last_resort;
        let caught = move |_: Box<dyn Any + Send>| {
            // The message stays out: it may quote what a caller sent. The panic
            // hook has printed the place.
            tracing::error!("a handler panicked");
            last_resort(Failure::Panicked)
        };
        routes
            .layer(CatchPanicLayer::custom(caught))
            .layer(from_fn_with_state(Arc::clone(&self.contexts), request_context::establish))
    }
}

#[derive(Clone)]
struct Gate {
    permits: Arc<Semaphore>,
    timeout: Duration,
    last_resort: fn(Failure) -> Response,
}

impl Gate {
    async fn pass(State(gate): State<Self>, request: Request, next: Next) -> Response {
        let Ok(_permit) = gate.permits.try_acquire() else {
            tracing::warn!("too many requests at once, this one is turned away");
            return (gate.last_resort)(Failure::Overloaded);
        };
        tokio::time::timeout(gate.timeout, next.run(request)).await.unwrap_or_else(|_| {
            tracing::error!(limit = ?gate.timeout, "a request took too long");
            (gate.last_resort)(Failure::TimedOut)
        })
    }
}

//! How often one client may ask these routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use countersign_core::Reason;

use super::answers::failed;
use crate::metrics::{Metrics, Shown};
use crate::rate_limits::AddressLimit;
use crate::request_context::RequestContext;
use crate::token_service::TokenError;
use crate::unread_body;

/// Counts the requests of each client before their bodies are read.
#[derive(Clone)]
pub(crate) struct TokenRouteLimit {
    limit: AddressLimit,
    metrics: Arc<Metrics>,
}

impl TokenRouteLimit {
    pub(crate) fn new(limit: AddressLimit, metrics: &Arc<Metrics>) -> Self {
        Self { limit, metrics: Arc::clone(metrics) }
    }

    /// These routes, limited.
    pub(super) fn of(&self, routes: Router) -> Router {
        if !self.limit.is_set() {
            return routes;
        }
        routes.route_layer(from_fn_with_state(self.clone(), pass))
    }

    /// Hands a request on that is not too many.
    pub(crate) async fn around<F: Future<Output = Response>>(
        &self,
        request: Request,
        next: impl FnOnce(Request) -> F,
    ) -> Response {
        let context = RequestContext::find(request.extensions());
        let client = context.and_then(|context| context.client);
        let Err(over) = self.limit.count(client).await else { return next(request).await };
        let error = TokenError::Limited(Reason::AddressOverLimit.into(), over);
        self.metrics.judgements.note(Shown::Nothing, &Err::<(), _>(error.clone()));
        let (head, body) = request.into_parts();
        let mut response = failed(&error, RequestContext::find(&head.extensions));
        unread_body::settle(&head, body, &mut response).await;
        response
    }
}

async fn pass(State(limit): State<TokenRouteLimit>, request: Request, next: Next) -> Response {
    limit.around(request, |request| next.run(request)).await
}

//! What gateways ask with every request, answered before the router.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::future::RouteFuture;
use futures_util::future::{BoxFuture, Either};
use http::Method;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use tower::Service;

use super::PublicState;
use super::gateway_judge::GatewayJudge;
use super::original_request::Endpoint;
use crate::key_to_token::{ExternalState, TokenRouteLimit, VALIDATE_REQUEST, validate_request};
use crate::layers::Layers;
use crate::metrics::Place;

/// What answers on the public listener.
///
/// Gateways ask one thing with each request that they get: may it pass? That is answered
/// first, behind the [layers](crate::layers) of all routes. Everything else goes on
/// to the router, which would take as long to find the answer as the answer takes.
#[derive(Clone)]
pub struct PublicService {
    gateways: Arc<GatewayRoutes>,
    router: Router,
}

impl PublicService {
    pub(super) fn new(gateways: GatewayRoutes, router: Router) -> Self {
        Self { gateways: Arc::new(gateways), router }
    }
}

impl Service<Request> for PublicService {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<BoxFuture<'static, Result<Response, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.gateways.question(&request) {
            Some(question) => {
                let gateways = Arc::clone(&self.gateways);
                Either::Left(Box::pin(async move { Ok(gateways.answer(question, request).await) }))
            }
            None => Either::Right(self.router.call(request)),
        }
    }
}

/// Knows what gateways ask, and answers it.
pub(super) struct GatewayRoutes {
    layers: Layers,
    url_prefix: String,
    judge: GatewayJudge,
    /// If there is that route.
    validate_request: Option<Arc<ExternalState>>,
    /// Of that route; the judge has its own.
    address_limit: TokenRouteLimit,
}

/// May it pass?
enum Question {
    /// At which endpoint; what follows the endpoint's path begins there in the request's.
    Gateway(Endpoint, usize),
    ValidateRequest(Arc<ExternalState>),
}

impl GatewayRoutes {
    pub(super) fn new(state: &PublicState, layers: Layers) -> Self {
        let external = state.tokens.clone().filter(|_| state.token_routes.external);
        Self {
            layers,
            url_prefix: state.url_prefix.to_string(),
            judge: GatewayJudge::new(state),
            address_limit: TokenRouteLimit::new(state.address_limit.clone(), &state.metrics),
            validate_request: external.map(|tokens| {
                let identity_headers = state.identity_headers.clone();
                let metrics = Arc::clone(&state.metrics);
                Arc::new(ExternalState { tokens, identity_headers, metrics })
            }),
        }
    }

    /// What the request asks, if that is answered here.
    fn question(&self, request: &Request) -> Option<Question> {
        let whole = request.uri().path();
        let path = whole.strip_prefix(&self.url_prefix)?;
        // Envoy appends the original path; Caddy appends the original query.
        let asked = Endpoint::ALL.into_iter().find_map(|endpoint| {
            let rest = path.strip_prefix(endpoint.path())?;
            let is_asked = endpoint.may_be_followed_by(rest);
            is_asked.then(|| Question::Gateway(endpoint, whole.len() - rest.len()))
        });
        asked.or_else(|| {
            let state = self.validate_request.as_ref()?;
            // For other methods the router says which are allowed.
            (path == VALIDATE_REQUEST && request.method() == Method::GET)
                .then(|| Question::ValidateRequest(Arc::clone(state)))
        })
    }

    async fn answer(&self, question: Question, request: Request) -> Response {
        let mut response = match question {
            Question::Gateway(endpoint, at) => {
                let answer = async |request| self.judge.answer(endpoint, at, request).await;
                self.layers.around((endpoint.path(), endpoint.place()), request, answer).await
            }
            Question::ValidateRequest(state) => {
                let answer = async |request| {
                    let validate = |request| validate_request(State(state), request);
                    self.address_limit.around(request, validate).await
                };
                self.layers
                    .around((VALIDATE_REQUEST, Place::ValidateRequest), request, answer)
                    .await
            }
        };
        say_length(&mut response);
        response
    }
}

/// As routers do; without it an answer to `HEAD` would not have it.
fn say_length(response: &mut Response) {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
}

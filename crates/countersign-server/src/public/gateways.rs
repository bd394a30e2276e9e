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
use super::forward_auth::{FORWARD_AUTH, ForwardAuth};
use crate::key_to_token::{ExternalState, VALIDATE_REQUEST, validate_request};
use crate::layers::Layers;

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
    forward_auth: Route<ForwardAuth>,
    /// If there is that route.
    validate_request: Option<Route<ExternalState>>,
}

/// Where something is asked, and what the answer is made of.
struct Route<S> {
    path: String,
    state: Arc<S>,
}

/// May it pass?
enum Question {
    ForwardAuth(Arc<ForwardAuth>),
    ValidateRequest(Arc<ExternalState>),
}

impl GatewayRoutes {
    pub(super) fn new(state: &PublicState, layers: Layers) -> Self {
        let (prefix, headers) = (&state.url_prefix, &state.identity_headers);
        let (authenticator, tokens) = (Arc::clone(&state.authenticator), state.tokens.clone());
        let external = tokens.clone().filter(|_| state.token_routes.external);
        let forward_auth = ForwardAuth::new(authenticator, tokens, headers.clone());
        let validate_request = external.map(|tokens| Route {
            path: format!("{prefix}{VALIDATE_REQUEST}"),
            state: Arc::new(ExternalState { tokens, identity_headers: headers.clone() }),
        });
        Self {
            layers,
            forward_auth: Route {
                path: format!("{prefix}{FORWARD_AUTH}"),
                state: Arc::new(forward_auth),
            },
            validate_request,
        }
    }

    /// What the request asks, if that is answered here.
    fn question(&self, request: &Request) -> Option<Question> {
        let (method, path) = (request.method(), request.uri().path());
        // Envoy appends the original path; Caddy appends the original query.
        let appended = path.strip_prefix(&self.forward_auth.path);
        if appended.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Some(Question::ForwardAuth(Arc::clone(&self.forward_auth.state)));
        }
        let route = self.validate_request.as_ref()?;
        // For other methods the router says which are allowed.
        (path == route.path && method == Method::GET)
            .then(|| Question::ValidateRequest(Arc::clone(&route.state)))
    }

    async fn answer(&self, question: Question, request: Request) -> Response {
        let mut response = match question {
            Question::ForwardAuth(endpoint) => {
                let answer = async |request| endpoint.answer(request).await;
                self.layers.around(FORWARD_AUTH, request, answer).await
            }
            Question::ValidateRequest(state) => {
                let answer = |request| validate_request(State(state), request);
                self.layers.around(VALIDATE_REQUEST, request, answer).await
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

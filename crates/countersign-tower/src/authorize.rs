//! The layer that lets some callers pass and others not, by what a layer before it
//! has said of them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::Either;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::acl::{Acl, Effect, Rule};
use crate::answers::{Denial, GuardedBody, is_grpc, misconfigured};
use crate::authenticate::denied;
use crate::identity::Caller;
use crate::principal::Principal;

/// Lets the members of a group pass.
///
/// # Panics
/// If that is no name that a group can have.
pub fn require_group(name: &str) -> Authorize {
    require_any([name])
}

/// Lets those pass who are in any of these groups.
///
/// # Panics
/// If one of them is no name that a group can have.
pub fn require_any<'a>(names: impl IntoIterator<Item = &'a str>) -> Authorize {
    // Unwrap safety: the names are the service's own, not a caller's; the panic is documented.
    let rule = |name: &str| Rule {
        effect: Effect::Allow,
        principal: Principal::Group(name.parse().expect("a name that a group can have")),
    };
    Authorize::new(Acl::new(names.into_iter().map(rule)))
}

/// Lets those pass whom an [`Acl`] allows. The others are answered 403, or 401 if they
/// have not proved who they are.
///
/// It belongs inside of [`RequireAuth`](crate::RequireAuth) or
/// [`AllowAnonymous`](crate::AllowAnonymous), usually at single routes.
#[derive(Clone, Debug)]
pub struct Authorize {
    acl: Acl,
}

impl Authorize {
    /// Lets those pass whom this list allows.
    pub fn new(acl: Acl) -> Self {
        Self { acl }
    }

    /// The answer to those who may not pass.
    fn denial(&self, extensions: &Extensions, headers: &HeaderMap) -> Option<Response<Bytes>> {
        let Some(caller) = Caller::of(extensions) else {
            return Some(misconfigured(is_grpc(headers)));
        };
        if self.acl.allows(caller.identity()) {
            return None;
        }
        let denial = match &caller {
            Caller::Known(identity) => {
                tracing::info!(account = %identity.account(), "refused: not allowed");
                Denial::Forbidden
            }
            Caller::Nobody(nobody) => Denial::Unauthenticated { sent_a_token: nobody.sent_a_token },
        };
        Some(caller.policy().deny(denial, is_grpc(headers)))
    }
}

impl<S> Layer<S> for Authorize {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorized { inner, rules: self.clone() }
    }
}

/// A service behind [`Authorize`].
#[derive(Clone, Debug)]
pub struct Authorized<S> {
    inner: S,
    rules: Authorize,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Authorized<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<GuardedBody<ResBody>>;
    type Error = S::Error;
    type Future = AuthorizeFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let state = match self.rules.denial(request.extensions(), request.headers()) {
            Some(answer) => State::Denied { answer: Some(answer) },
            None => State::Passed { future: self.inner.call(request) },
        };
        AuthorizeFuture { state }
    }
}

pin_project! {
    /// The answer to come.
    pub struct AuthorizeFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Passed { #[pin] future: F },
        Denied { answer: Option<Response<Bytes>> },
    }
}

impl<F, B, E> Future for AuthorizeFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<GuardedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Passed { future } => {
                let response = ready!(future.poll(context))?;
                Poll::Ready(Ok(response.map(Either::Left)))
            }
            StateProjection::Denied { answer } => {
                // Unwrap safety: a future is not polled again after it was ready.
                let answer = answer.take().expect("not polled after it was ready");
                Poll::Ready(Ok(denied(answer)))
            }
        }
    }
}

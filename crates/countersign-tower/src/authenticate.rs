//! The layers that say who calls: from the `Authorization` header to an identity in
//! the request's extensions.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::answers::{Denial, GuardedBody, is_grpc};
use crate::identity::{Identity, Nobody};
use crate::judgement::Judgement;
use crate::policy::Policy;

/// The address a request came from, for the record of a key's last use. A
/// server that knows it puts it into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// A layer through which only callers get that prove who they are; the others are
/// answered 401 and how to prove it.
#[derive(Clone)]
pub struct RequireAuth(Gate);

/// A layer through which every caller gets; those that prove who they are have an
/// [`Identity`]. A token that is no good makes its caller nobody.
#[derive(Clone)]
pub struct AllowAnonymous(Gate);

impl RequireAuth {
    /// Asks this policy.
    pub fn new(policy: Policy) -> Self {
        Self(Gate { policy, lets_nobody_in: false })
    }
}

impl AllowAnonymous {
    /// Asks this policy.
    pub fn new(policy: Policy) -> Self {
        Self(Gate { policy, lets_nobody_in: true })
    }
}

impl<S> Layer<S> for RequireAuth {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticate { inner, gate: self.0.clone() }
    }
}

impl<S> Layer<S> for AllowAnonymous {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticate { inner, gate: self.0.clone() }
    }
}

/// A service behind [`RequireAuth`] or [`AllowAnonymous`].
#[derive(Clone)]
pub struct Authenticate<S> {
    inner: S,
    gate: Gate,
}

/// What is done about a judgement.
#[derive(Clone)]
struct Gate {
    policy: Policy,
    lets_nobody_in: bool,
}

/// What becomes of a request at the gate.
enum Passage<B> {
    /// It goes on, with what is known of its caller.
    On(Request<B>),
    /// It does not; this is the answer.
    Denied(Response<Bytes>),
}

impl Gate {
    /// Takes away what somebody else said of who calls, before anybody looks at the
    /// request.
    fn clean<B>(&self, request: &mut Request<B>) {
        request.extensions_mut().remove::<Identity>();
        request.extensions_mut().remove::<Nobody>();
        self.policy.inner().identity_headers.strip(request.headers_mut());
    }

    /// What becomes of a request on which there is this judgement.
    fn pass<B>(&self, mut request: Request<B>, judgement: Judgement) -> Passage<B> {
        let names = &self.policy.inner().identity_headers;
        let policy = self.policy.clone();
        let denial = match judgement {
            Judgement::Known(identity) => {
                if policy.inner().tells_upstreams {
                    names.say(&identity, request.headers_mut());
                }
                request.extensions_mut().insert(Identity::new(identity, policy));
                return Passage::On(request);
            }
            Judgement::Nobody { sent_a_token } if self.lets_nobody_in => {
                request.extensions_mut().insert(Nobody { policy, sent_a_token });
                return Passage::On(request);
            }
            Judgement::Nobody { sent_a_token } => Denial::Unauthenticated { sent_a_token },
            Judgement::Limited(over) => {
                Denial::Limited { retry_after_seconds: over.retry_after_seconds() }
            }
            Judgement::Unavailable => Denial::Unavailable,
        };
        Passage::Denied(policy.deny(denial, is_grpc(request.headers())))
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Authenticate<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<GuardedBody<ResBody>>;
    type Error = S::Error;
    type Future = AuthenticateFuture<S, ReqBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        self.gate.clean(&mut request);
        if let Some(judgement) = self.gate.policy.judge_at_once(request.headers()) {
            let passage = self.gate.pass(request, judgement);
            return AuthenticateFuture { state: State::after(passage, &mut self.inner) };
        }
        // The service that was polled ready is the one to call; its clone is not ready yet.
        let clone = self.inner.clone();
        let service = std::mem::replace(&mut self.inner, clone);
        let (head, body) = request.into_parts();
        let policy = self.gate.policy.clone();
        let judging = Box::pin(async move {
            let judgement = policy.judge(&head).await;
            (head, judgement)
        });
        let rest = Some((service, self.gate.clone(), body));
        AuthenticateFuture { state: State::Judged { judging, rest } }
    }
}

pin_project! {
    /// The answer to come. Dropping it ends whatever it waits for.
    pub struct AuthenticateFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        /// Somebody is asked who calls.
        Judged {
            judging: Pin<Box<dyn Future<Output = (Parts, Judgement)> + Send>>,
            rest: Option<(S, Gate, B)>,
        },
        /// The request has gone on.
        Passed { #[pin] future: S::Future },
        /// It has not.
        Denied { answer: Option<Response<Bytes>> },
    }
}

impl<S: Service<Request<B>> + Clone, B> State<S, B> {
    fn after(passage: Passage<B>, service: &mut S) -> Self {
        match passage {
            Passage::On(request) => Self::Passed { future: service.call(request) },
            Passage::Denied(answer) => {
                // It is not called: the place that it keeps ready is given back.
                *service = service.clone();
                Self::Denied { answer: Some(answer) }
            }
        }
    }
}

impl<S, ReqBody, ResBody> Future for AuthenticateFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Body<Data = Bytes>,
{
    type Output = Result<Response<GuardedBody<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            let next = match this.state.as_mut().project() {
                StateProjection::Passed { future } => {
                    let response = ready!(future.poll(context))?;
                    return Poll::Ready(Ok(response.map(Either::Left)));
                }
                // Unwrap safety, here and below: a future is not polled again after it was ready.
                StateProjection::Denied { answer } => {
                    let answer = answer.take().expect("not polled after it was ready");
                    return Poll::Ready(Ok(denied(answer)));
                }
                StateProjection::Judged { judging, rest } => {
                    let (head, judgement) = ready!(judging.as_mut().poll(context));
                    let (mut service, gate, body) =
                        rest.take().expect("not polled after it was ready");
                    let passage = gate.pass(Request::from_parts(head, body), judgement);
                    State::after(passage, &mut service)
                }
            };
            this.state.set(next);
        }
    }
}

/// An answer of the layer's own.
pub(crate) fn denied<B: Body<Data = Bytes>>(answer: Response<Bytes>) -> Response<GuardedBody<B>> {
    answer.map(|body| Either::Right(Full::new(body)))
}

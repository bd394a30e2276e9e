//! The layer: from the `Authorization` header to an identity in the extensions.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_core::{AuthenticationError, Authenticator, Identity};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use tower::{Layer, Service};

/// How long a caller should wait before it tries again, in seconds, when a
/// dependency of authentication is down.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// The address a request came from, for the record of a key's last use. A
/// server that knows it puts it into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// What happens to a request without a good token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anonymous {
    /// 401 with the challenge.
    Refused,
    /// It goes on without an identity, as in `asymmetric_jwt_auth`.
    Allowed,
}

/// Authenticates requests before they reach a service.
#[derive(Clone)]
pub struct AuthenticateLayer {
    authenticator: Arc<Authenticator>,
    anonymous: Anonymous,
}

impl AuthenticateLayer {
    /// Only callers that prove who they are get through.
    pub fn required(authenticator: Arc<Authenticator>) -> Self {
        Self { authenticator, anonymous: Anonymous::Refused }
    }

    /// Every caller gets through; those that prove who they are have an
    /// [`Identity`]. A token that is no good makes the caller nobody.
    pub fn optional(authenticator: Arc<Authenticator>) -> Self {
        Self { authenticator, anonymous: Anonymous::Allowed }
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticate { inner, layer: self.clone() }
    }
}

/// A service behind [`AuthenticateLayer`].
#[derive(Clone)]
pub struct Authenticate<S> {
    inner: S,
    layer: AuthenticateLayer,
}

/// The answer to come.
pub type ResponseFuture<B, E> = Pin<Box<dyn Future<Output = Result<Response<B>, E>> + Send>>;

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Authenticate<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Send + 'static,
    ResBody: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<ResBody, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        // The service that was polled ready is the one to call; its clone is not ready yet.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let AuthenticateLayer { authenticator, anonymous } = self.layer.clone();
        Box::pin(async move {
            // Whoever put an identity there before, it was not this layer.
            request.extensions_mut().remove::<Identity>();
            let from = request.extensions().get::<ClientAddress>().map(|address| address.0);
            match authenticator.authenticate(request.headers(), from).await {
                Ok(identity) => {
                    request.extensions_mut().insert(identity);
                }
                Err(AuthenticationError::Busy(_) | AuthenticationError::Unavailable(_)) => {
                    return Ok(unavailable());
                }
                Err(AuthenticationError::Refused(_)) if anonymous == Anonymous::Allowed => {}
                Err(AuthenticationError::Refused(_)) => return Ok(challenge(&authenticator)),
            }
            inner.call(request).await
        })
    }
}

/// The one answer to every refused credential (RFC 9110 section 15.5.2).
fn challenge<B: Default>(authenticator: &Authenticator) -> Response<B> {
    let mut response = answer(StatusCode::UNAUTHORIZED);
    if let Ok(scheme) = HeaderValue::from_str(&authenticator.policy().scheme) {
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}

/// A dependency is down: the credential may be good, so the caller may retry.
fn unavailable<B: Default>() -> Response<B> {
    let mut response = answer(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    response
}

fn answer<B: Default>(status: StatusCode) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

//! The caller among the arguments of axum's handlers.

use std::convert::Infallible;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use countersign_core::AccountName;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::answers::{Denial, is_grpc, misconfigured};
use crate::identity::{Caller, Identity};

/// The answer to a caller who is not what a handler asks for.
#[derive(Debug)]
pub struct Rejection(Box<http::Response<Bytes>>);

impl Rejection {
    /// 401, or 500 if there is no layer that says who calls.
    fn nobody(parts: &Parts) -> Self {
        let is_grpc = is_grpc(&parts.headers);
        let answer = match Caller::of(&parts.extensions) {
            Some(Caller::Nobody(nobody)) => {
                let sent_a_token = nobody.sent_a_token;
                nobody.policy.deny(Denial::Unauthenticated { sent_a_token }, is_grpc)
            }
            Some(Caller::Known(identity)) => {
                let denial = Denial::Unauthenticated { sent_a_token: true };
                identity.policy().deny(denial, is_grpc)
            }
            None => misconfigured(is_grpc),
        };
        Self(Box::new(answer))
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.0.map(Body::from)
    }
}

/// The caller; one that has not proved who it is is answered 401.
impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::find(&parts.extensions).cloned().ok_or_else(|| Rejection::nobody(parts))
    }
}

/// The caller, if it has proved who it is.
impl<S: Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::find(&parts.extensions).cloned())
    }
}

/// The claims of the caller's token, read as a `T`. A caller whose token does not have
/// them is answered 401, as if the token were no good.
///
/// ```
/// use countersign_tower::Claims;
///
/// #[derive(serde::Deserialize)]
/// struct Tenant {
///     tenant: u64,
/// }
///
/// async fn invoices(Claims(claims): Claims<Tenant>) -> String {
///     format!("of tenant {}", claims.tenant)
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(invoices));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Claims<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let claims = Identity::find(&parts.extensions).and_then(|caller| caller.claims());
        let read = claims.map(serde_json::from_str);
        match read {
            Some(Ok(claims)) => Ok(Self(claims)),
            Some(Err(error)) => {
                // Not the error's own text, which quotes the claim.
                let (category, column) = (error.classify(), error.column());
                tracing::info!(
                    ?category,
                    column,
                    "refused: the claims are not what a handler asks for"
                );
                Err(Rejection::nobody(parts))
            }
            None => Err(Rejection::nobody(parts)),
        }
    }
}

/// The account that the request says it is of. **Nothing is proved**: good for a log,
/// not for a decision. `None` if it says nothing, or there is no layer that could read
/// it.
#[derive(Clone, Debug)]
pub struct UnverifiedAccount(pub Option<AccountName>);

impl<S: Sync> FromRequestParts<S> for UnverifiedAccount {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let caller = Caller::of(&parts.extensions);
        let claimed = caller.and_then(|caller| caller.policy().unverified_account(&parts.headers));
        Ok(Self(claimed))
    }
}

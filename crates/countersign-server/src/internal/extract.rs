//! Reads the parts of a call strictly; what does not fit is a problem that
//! names the place.

use std::fmt;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use bytes::Bytes;
use countersign_core::AccountName;
use countersign_core::ports::{Act, Page};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use utoipa::IntoParams;
use uuid::Uuid;

use super::problems::Kind;
use crate::api::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT, Problem};

/// Who does it, as the gatekeeper found out.
pub(super) struct Actor(pub(super) Act);

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let act = parts.extensions.get().cloned().map(Self);
        act.ok_or_else(|| Kind::Internal.problem("a route is not guarded; this is a defect"))
    }
}

/// The account in a path, as it stands there.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct AccountNamed {
    /// The account's name.
    #[param(min_length = 1, max_length = 255)]
    name: String,
}

/// The account that the path names.
pub(super) struct InPath(pub(super) AccountName);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(AccountNamed { name }) =
            Path::from_request_parts(parts, state).await.map_err(not_utf8)?;
        let name = AccountName::new(&name).map_err(|error| {
            Kind::InvalidRequest.problem(format_args!("the account in the path: {error}"))
        })?;
        Ok(Self(name))
    }
}

/// The key in a path, as it stands there.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct FingerprintNamed {
    /// Any of the key's three fingerprints.
    #[param(min_length = 1)]
    fingerprint: String,
}

/// The key that the path names, by any of its fingerprints.
pub(super) struct FingerprintInPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for FingerprintInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(FingerprintNamed { fingerprint }) =
            Path::from_request_parts(parts, state).await.map_err(not_utf8)?;
        check_text("the fingerprint in the path", &fingerprint)?;
        Ok(Self(fingerprint))
    }
}

/// The id in a path, as it stands there.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct IdNamed {
    /// The id.
    #[param(value_type = Uuid)]
    id: String,
}

/// The id that the path names.
pub(super) struct IdInPath(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for IdInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(IdNamed { id }) =
            Path::from_request_parts(parts, state).await.map_err(not_utf8)?;
        let id = Uuid::try_parse(&id).map_err(|error| {
            Kind::InvalidRequest.problem(format_args!("the id in the path: {error}"))
        })?;
        Ok(Self(id))
    }
}

/// The query, each member known.
pub(super) struct StrictQuery<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri);
        query.map(|Query(query)| Self(query)).map_err(|error| {
            let text = error.body_text();
            let detail = text.strip_prefix("Failed to deserialize query string: ");
            Kind::InvalidRequest.problem(format_args!("the query: {}", detail.unwrap_or(&text)))
        })
    }
}

/// The body, JSON with each member known.
pub(super) struct StrictJson<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if !content_type.is_some_and(is_json) {
            return Err(Kind::NotJson.problem("send the header `Content-Type: application/json`"));
        }
        let body = Bytes::from_request(request, &()).await.map_err(|error| {
            Kind::InvalidRequest.problem(format_args!("the body: {}", error.body_text()))
        })?;
        read_json(&body).map(Self)
    }
}

fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let invalid = |detail: fmt::Arguments<'_>| Kind::InvalidRequest.problem(detail);
    // Serde would take an array for an object whose members have no names.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(invalid(format_args!("the body: expected a JSON object")));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner());
        match inner.classify() {
            Category::Data if path != "." => invalid(format_args!("`{path}` in the body: {inner}")),
            _ => invalid(format_args!("the body: {inner}")),
        }
    })?;
    reader
        .end()
        .map_err(|error| invalid(format_args!("the body goes on after the JSON: {error}")))?;
    Ok(value)
}

/// The media type without its parameters; JSON has no charset but UTF-8.
fn is_json(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// A stretch of a listing, its limit checked.
pub(super) fn page<After>(
    after: Option<After>,
    limit: Option<u32>,
) -> Result<Page<After>, Problem> {
    let limit = limit.unwrap_or(DEFAULT_PAGE_LIMIT);
    if (1..=MAX_PAGE_LIMIT).contains(&limit) {
        Ok(Page { after, limit })
    } else {
        Err(Kind::InvalidRequest
            .problem(format_args!("`limit` must be 1..={MAX_PAGE_LIMIT}, found {limit}")))
    }
}

/// Where the next stretch begins: behind the last item, if this one is full.
pub(super) fn next<T, After>(
    items: &[T],
    limit: u32,
    position: impl FnOnce(&T) -> After,
) -> Option<After> {
    let full = u32::try_from(items.len()).is_ok_and(|found| found >= limit);
    items.last().filter(|_| full).map(position)
}

/// What is looked for has no NUL, and not every database can be asked for one.
pub(super) fn check_text(what: &str, text: &str) -> Result<(), Problem> {
    if text.contains('\0') {
        return Err(Kind::InvalidRequest.problem(format_args!("{what} has a NUL")));
    }
    Ok(())
}

fn not_utf8(_: axum::extract::rejection::PathRejection) -> Problem {
    Kind::InvalidRequest.problem("the path is not UTF-8 after percent-decoding")
}

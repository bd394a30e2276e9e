//! The kinds of problems that administrative calls end in.

use std::fmt::Display;

use axum::Json;
use axum::response::{IntoResponse, Response};
use countersign_core::ports::StoreError;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::api::{PROBLEM_CONTENT_TYPE, Problem};

macro_rules! kinds {
    ($($name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// A kind of problem with its stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind {
            $(#[doc = $title] $name,)*
        }

        impl Kind {
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),*];

            pub(super) const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            pub(super) const fn urn(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("urn:countersign:problem:", $code),)*
                }
            }

            pub(super) const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)*
                }
            }

            pub(super) const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }
        }
    };
}

kinds! {
    InvalidRequest = "invalid-request", BAD_REQUEST, "The request is not well-formed";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "A credential is needed";
    NotAnAdministrator = "not-an-administrator", FORBIDDEN, "This account may not administrate";
    HostNotAllowed = "host-not-allowed", FORBIDDEN, "This listener does not go by this name";
    OtherSite = "other-site", FORBIDDEN, "The request was made by another site's page";
    NoSuchRoute = "no-such-route", NOT_FOUND, "There is nothing here";
    NoSuchAccount = "no-such-account", NOT_FOUND, "There is no such account";
    NoSuchKey = "no-such-key", NOT_FOUND, "The account has no such key";
    NoSuchJwksEndpoint = "no-such-jwks-endpoint", NOT_FOUND, "The account has no such JWKS endpoint";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The method is not known here";
    TooSlow = "too-slow", REQUEST_TIMEOUT, "The body took too long";
    AccountExists = "account-exists", CONFLICT, "The account exists already";
    KeyRevoked = "key-revoked", CONFLICT, "The key was revoked";
    LastAdmin = "last-admin", CONFLICT, "Nobody could administrate any more";
    KeyExists = "key-exists", CONFLICT, "The key is there already";
    KeyActive = "key-active", CONFLICT, "The key signs";
    NotYet = "not-yet", CONFLICT, "It is too early for that";
    TooMany = "too-many", CONFLICT, "The account has as many as it may";
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    NotJson = "not-json", UNSUPPORTED_MEDIA_TYPE, "The body must be JSON";
    UnacceptableKey = "unacceptable-key", UNPROCESSABLE_ENTITY, "The key cannot be registered";
    UnacceptableUrl = "unacceptable-url", UNPROCESSABLE_ENTITY, "The URL cannot be trusted";
    TooManyCalls = "too-many-calls", TOO_MANY_REQUESTS, "Too many calls come from this address";
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server failed";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The service is not available at the moment";
}

impl Kind {
    /// A problem of this kind; the detail says what to do.
    pub(super) fn problem(self, detail: impl Display) -> Problem {
        Problem {
            kind: self.urn().into(),
            title: self.title().into(),
            status: self.status().as_u16(),
            detail: detail.to_string(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        // Where a browser asked, a page is made of it.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_CONTENT_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::AccountExists => Kind::AccountExists,
            StoreError::NoSuchAccount => Kind::NoSuchAccount,
            StoreError::KeyRevoked => Kind::KeyRevoked,
            StoreError::ApiKeyExists => Kind::KeyExists,
            StoreError::LastAdmin => Kind::LastAdmin,
            StoreError::Unavailable(cause) => {
                tracing::error!(cause, "the store cannot be reached");
                Kind::Unavailable
            }
            other => {
                tracing::error!(error = %other, "the store failed");
                Kind::Internal
            }
        };
        kind.problem(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_code_and_a_failing_status() {
        let mut codes: Vec<_> = Kind::ALL.iter().map(|kind| kind.urn()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(
            Kind::ALL.iter().all(|k| k.status().is_client_error() || k.status().is_server_error())
        );
        assert_eq!(Kind::LastAdmin.problem("x").code(), "last-admin");
    }

    #[test]
    fn every_kind_is_documented_under_its_status() {
        let page = include_str!("../../../../docs/admin-api.md");
        for kind in Kind::ALL {
            let problem = kind.problem("x");
            let row = format!("| {} | ", problem.status);
            let code = format!("`{}`", problem.code());
            let documented = |line: &str| line.starts_with(&row) && line.contains(&code);
            assert!(page.lines().any(documented), "{row}{code}");
        }
    }
}

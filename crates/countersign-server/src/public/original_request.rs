//! What the original request was, as the gateway that asks about it says.
//!
//! Each endpoint has a source of its own, and reads no other: what the gateway does not
//! set, the client may have.

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::access_rules::{AmbiguousPath, RequestPath, host_name};
use crate::metrics::Place;

/// An endpoint that gateways ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `/forward-auth`: `X-Forwarded-Method`, `X-Forwarded-Host`, `X-Forwarded-Uri`, as
    /// Caddy and Traefik send them.
    ForwardAuth,
    /// `/auth-request`: `X-Original-Method`, `X-Original-Host`, `X-Original-URI`, as
    /// nginx's configuration sets them.
    AuthRequest,
    /// `/ext-authz` and the original path behind it, under the original method and host,
    /// as Envoy asks.
    ExtAuthz,
}

/// The original request, as far as rules look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OriginalRequest {
    pub(super) method: Method,
    pub(super) host: Option<String>,
    pub(super) path: RequestPath,
}

/// It cannot be said what the original request was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    /// The gateway does not say it, or somebody else says it, too.
    #[error("the gateway must set `{0}`, once")]
    Header(&'static str),
    /// The method is none.
    #[error("the original method is no method")]
    Method,
    /// The host is none.
    #[error("the original host is no host")]
    Host,
    /// The endpoint is asked in a way that is another's.
    #[error("a path after `/forward-auth` is how Envoy asks: let it ask `/ext-authz`")]
    PathAppended,
    /// Services may differ in what the path is.
    #[error("the original path: {0}")]
    Path(#[from] AmbiguousPath),
}

impl Endpoint {
    /// Every endpoint.
    pub(super) const ALL: [Self; 3] = [Self::ForwardAuth, Self::AuthRequest, Self::ExtAuthz];

    /// Where it is.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::ForwardAuth => super::FORWARD_AUTH,
            Self::AuthRequest => super::AUTH_REQUEST,
            Self::ExtAuthz => super::EXT_AUTHZ,
        }
    }

    /// Where it is among all places.
    pub(super) const fn place(self) -> Place {
        match self {
            Self::ForwardAuth => Place::ForwardAuth,
            Self::AuthRequest => Place::AuthRequest,
            Self::ExtAuthz => Place::ExtAuthz,
        }
    }

    /// Whether it is asked with this path, which begins with its own.
    pub(super) fn may_be_followed_by(self, rest: &str) -> bool {
        match self {
            // Before there was an endpoint for Envoy, it asked this one.
            Self::ForwardAuth | Self::ExtAuthz => rest.is_empty() || rest.starts_with('/'),
            Self::AuthRequest => rest.is_empty(),
        }
    }

    /// Reads the original request out of the one that asks; `rest` is what follows the
    /// endpoint's path in its own.
    pub(super) fn original(
        self,
        asking: &Parts,
        rest: &str,
        with_host: bool,
    ) -> Result<OriginalRequest, Unclear> {
        let headers = &asking.headers;
        let (method, host, path) = match self {
            Self::ForwardAuth if !rest.is_empty() => return Err(Unclear::PathAppended),
            Self::ForwardAuth => said_in(
                headers,
                ["x-forwarded-method", "x-forwarded-host", "x-forwarded-uri"],
                with_host,
            )?,
            Self::AuthRequest => said_in(
                headers,
                ["x-original-method", "x-original-host", "x-original-uri"],
                with_host,
            )?,
            Self::ExtAuthz => {
                // HTTP/2 has it in the target (RFC 9113 section 8.3.1).
                let authority = asking.uri.authority().map(http::uri::Authority::as_str);
                let host = match (with_host, authority) {
                    (false, _) => None,
                    (true, Some(authority)) => Some(authority),
                    (true, None) => Some(once(headers, HOST.as_str(), "host")?),
                };
                (asking.method.clone(), host, rest)
            }
        };
        OriginalRequest::read(method, host, path)
    }
}

impl OriginalRequest {
    /// Reads the host, if rules look at it, and the path; a query is left out.
    pub(super) fn read(method: Method, host: Option<&str>, path: &str) -> Result<Self, Unclear> {
        let host = host.map(|host| host_name(host).ok_or(Unclear::Host)).transpose()?;
        Ok(Self { method, host, path: RequestPath::read(path)? })
    }
}

/// Method, host and target in three headers.
fn said_in<'a>(
    headers: &'a HeaderMap,
    [method, host, uri]: [&'static str; 3],
    with_host: bool,
) -> Result<(Method, Option<&'a str>, &'a str), Unclear> {
    let method = Method::from_bytes(once(headers, method, method)?.as_bytes());
    let host = with_host.then(|| once(headers, host, host)).transpose()?;
    Ok((method.map_err(|_| Unclear::Method)?, host, once(headers, uri, uri)?))
}

fn once<'a>(headers: &'a HeaderMap, name: &str, said: &'static str) -> Result<&'a str, Unclear> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => {
            std::str::from_utf8(value.as_bytes()).map_err(|_| Unclear::Header(said))
        }
        _ => Err(Unclear::Header(said)),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(
        endpoint: Endpoint,
        asking: http::request::Builder,
        rest: &str,
    ) -> Result<(String, Option<String>, RequestPath), Unclear> {
        let (asking, ()) = asking.body(()).unwrap().into_parts();
        let original = endpoint.original(&asking, rest, true)?;
        Ok((original.method.to_string(), original.host, original.path))
    }

    #[test]
    fn each_endpoint_has_one_source() {
        let asking = || {
            Request::put("/any")
                .header("host", "own.example")
                .header("x-forwarded-method", "POST")
                .header("x-forwarded-host", "Forwarded.example:8443")
                .header("x-forwarded-uri", "/forwarded?x=/../y")
                .header("x-original-method", "DELETE")
                .header("x-original-host", "original.example")
                .header("x-original-uri", "/original")
        };
        for (endpoint, rest, method, host, path) in [
            (Endpoint::ForwardAuth, "", "POST", "forwarded.example", "/forwarded"),
            (Endpoint::AuthRequest, "", "DELETE", "original.example", "/original"),
            (Endpoint::ExtAuthz, "/own/path", "PUT", "own.example", "/own/path"),
        ] {
            let expected =
                (method.to_owned(), Some(host.to_owned()), RequestPath::read(path).unwrap());
            assert_eq!(read(endpoint, asking(), rest), Ok(expected));
        }
    }

    #[test]
    fn what_is_not_said_once_is_unclear() {
        let with = |method, host, uri| {
            Request::get("/")
                .header("x-original-method", method)
                .header("x-original-host", host)
                .header("x-original-uri", uri)
        };
        for (endpoint, asking, rest, expected) in [
            (Endpoint::AuthRequest, Request::get("/"), "", Unclear::Header("x-original-method")),
            (
                Endpoint::AuthRequest,
                with("GET", "a", "/").header("x-original-uri", "/b"),
                "",
                Unclear::Header("x-original-uri"),
            ),
            (Endpoint::AuthRequest, with("G T", "a", "/"), "", Unclear::Method),
            (Endpoint::AuthRequest, with("GET", "a@b", "/"), "", Unclear::Host),
            (
                Endpoint::AuthRequest,
                with("GET", "a", "/%2e%2e/b"),
                "",
                Unclear::Path(AmbiguousPath::DotSegment),
            ),
            (
                Endpoint::ForwardAuth,
                with("GET", "a", "/"),
                "",
                Unclear::Header("x-forwarded-method"),
            ),
            (Endpoint::ForwardAuth, with("GET", "a", "/"), "/b", Unclear::PathAppended),
            (Endpoint::ExtAuthz, Request::get("/"), "/b", Unclear::Header("host")),
            (
                Endpoint::ExtAuthz,
                Request::get("/").header("host", "a"),
                "",
                Unclear::Path(AmbiguousPath::NotAbsolute),
            ),
        ] {
            assert_eq!(read(endpoint, asking, rest), Err(expected));
        }
    }
}

//! Keeps web pages in an operator's browser away from this listener.
//!
//! A page can make the browser send requests to loopback, and with a name that
//! it resolves to loopback (DNS rebinding) even read the answers. Such requests
//! have the page's own `Host`, an `Origin`, or a `Sec-Fetch-Site` that says so.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderName, HeaderValue};

use super::problems::Kind;
use crate::api::Problem;
use crate::request_context::RequestContext;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names, without ports, under which the listener may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts(Arc<[String]>);

/// Whether a listener speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// It does not.
    Http,
    /// It does.
    Https,
}

impl AllowedHosts {
    /// The names of loopback and these others: names, or addresses that the
    /// listener is bound to. Ports do not matter.
    pub fn loopback_and(others: impl IntoIterator<Item = String>) -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let others = others.into_iter().map(|host| match host.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => host,
        });
        Self(loopback.into_iter().chain(others).collect())
    }

    fn contain(&self, host: &str) -> bool {
        self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

impl Scheme {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The host and port a request was sent to, an extension of every request that
/// passed [`check`].
#[derive(Clone, Debug)]
pub(super) struct Target(pub(super) Authority);

/// What the check compares with.
pub(super) struct SameSite {
    pub(super) hosts: AllowedHosts,
    pub(super) scheme: Scheme,
}

/// Lets through what was sent to one of our names and not by another site's page.
pub(super) async fn check(
    State(site): State<Arc<SameSite>>,
    mut request: Request,
    next: Next,
) -> Response {
    match site.target(&request) {
        Ok(target) => {
            request.extensions_mut().insert(target);
            next.run(request).await
        }
        Err(problem) => {
            let request_id = RequestContext::find(request.extensions()).map(RequestContext::id);
            tracing::info!(request_id, problem = problem.code(), "refused");
            problem.into_response()
        }
    }
}

impl SameSite {
    fn target(&self, request: &Request) -> Result<Target, Problem> {
        let authority = authority(request).filter(|authority| self.hosts.contain(authority.host()));
        let authority = authority.ok_or_else(|| {
            Kind::HostNotAllowed.problem(
                "the `Host` of the request is not a name of this listener: use 127.0.0.1 or \
                 localhost, or add the name to the allowed hosts",
            )
        })?;
        let same_origin = format!("{}://{authority}", self.scheme.as_str());
        let headers = request.headers();
        let mut sites = headers.get_all(&SEC_FETCH_SITE).iter();
        let fetched_by_us = sites.all(|site| site == "same-origin" || site == "none");
        // The console's pages tell nobody where they are (`no-referrer`), so their forms come
        // from the origin `null`; whose they are, the browser says in the other header, which
        // no page can write.
        let is_ours = |origin: &HeaderValue| {
            *origin == same_origin.as_str()
                || (origin == "null"
                    && headers.get(&SEC_FETCH_SITE).is_some_and(|s| s == "same-origin"))
        };
        let origins_are_ours = headers.get_all(ORIGIN).iter().all(is_ours);
        if origins_are_ours && fetched_by_us {
            Ok(Target(authority))
        } else {
            Err(Kind::OtherSite
                .problem("`Origin` or `Sec-Fetch-Site` names another site: call from a program"))
        }
    }
}

/// The one host a request names: in its target (HTTP/2, or the absolute form of
/// HTTP/1), in its `Host`, or the same in both.
fn authority(request: &Request) -> Option<Authority> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(Authority::try_from(host.as_bytes()).ok()?),
        (None, _) => None,
        (Some(_), Some(_)) => return None,
    };
    match (request.uri().authority().cloned(), host) {
        (Some(target), Some(host)) if target != host => None,
        (target, host) => target.or(host),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn outcome(uri: &str, headers: &[(&str, &str)]) -> Result<String, String> {
        let site = SameSite {
            hosts: AllowedHosts::loopback_and(["ops.example".into(), "2001:db8::1".into()]),
            scheme: Scheme::Http,
        };
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        site.target(&request.body(Body::empty()).unwrap())
            .map(|target| target.0.to_string())
            .map_err(|problem| problem.code().to_owned())
    }

    #[test]
    fn only_our_own_names_are_answered() {
        for host in [
            "localhost",
            "LocalHost:1",
            "127.0.0.1:8081",
            "[::1]:8081",
            "ops.example:9",
            "[2001:db8::1]",
        ] {
            assert_eq!(outcome("/", &[("host", host)]), Ok(host.to_owned()));
        }
        let bad = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.example",
            "",
            "a b",
            "127.0.0.2",
            "user@ops.example.evil",
        ];
        for host in bad {
            assert_eq!(outcome("/", &[("host", host)]), Err("host-not-allowed".into()), "{host}");
        }
        assert_eq!(outcome("/", &[]), Err("host-not-allowed".into()));
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(outcome("/", &twice), Err("host-not-allowed".into()));
    }

    #[test]
    fn a_target_and_a_host_must_agree() {
        assert_eq!(outcome("http://localhost:1/", &[]), Ok("localhost:1".into()));
        assert!(outcome("http://localhost:1/", &[("host", "localhost:1")]).is_ok());
        assert!(outcome("http://localhost:1/", &[("host", "ops.example")]).is_err());
        assert!(outcome("http://evil.example/", &[("host", "localhost")]).is_err());
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let from = |name, value| outcome("/", &[("host", "localhost:8081"), (name, value)]);
        assert!(from("origin", "http://localhost:8081").is_ok());
        assert!(from("sec-fetch-site", "same-origin").is_ok());
        assert!(from("sec-fetch-site", "none").is_ok());
        for (name, value) in [
            ("origin", "https://localhost:8081"),
            ("origin", "http://localhost:9"),
            ("origin", "null"),
            ("origin", ""),
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", ""),
        ] {
            assert_eq!(from(name, value), Err("other-site".into()), "{name}: {value}");
        }
        let of_null = |site| {
            let headers =
                [("host", "localhost:8081"), ("origin", "null"), ("sec-fetch-site", site)];
            outcome("/", &headers).is_ok()
        };
        assert_eq!(
            ["same-origin", "none", "same-site", "cross-site"].map(of_null),
            [true, false, false, false]
        );
    }
}

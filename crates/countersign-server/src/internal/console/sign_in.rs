//! In and out: a link becomes a session, once, and a session ends.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Json;
use axum::extract::{Extension, Request};
use axum::response::{IntoResponse as _, Redirect, Response};
use countersign_core::ports::{Act, Credential};
use countersign_core::{AccountId, AccountName, Clock, Identity, PublicKey, Random, UnixTime};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::by_secret::{BySecret, draw};
use super::page::rendered;
use super::{State, paths};
use crate::api::{ConsoleLink, Problem, routes, to_timestamp};
use crate::internal::extract::StrictQuery;
use crate::internal::problems::Kind;
use crate::internal::same_site::Scheme;
use crate::request_context::RequestContext;

/// How long a link is good for.
pub(super) const LINK_LIFETIME: Duration = Duration::from_mins(1);
/// The most links that are open for one account at a time.
const MAX_LINKS: usize = 8;
/// The most bytes of the form that spends one, and how long it may take: whoever sends it has
/// shown nothing yet.
const MAX_FORM_BYTES: usize = 1024;
const FORM_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a session lives without a request that somebody made.
const IDLE: Duration = Duration::from_mins(15);
/// How long a session lives at most.
const SESSION_LIFETIME: Duration = Duration::from_hours(4);
/// The most sessions of one account at a time.
const MAX_SESSIONS: usize = 16;

/// Whose link or session it is: the holder of this key of this account.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) account: AccountName,
    pub(super) id: AccountId,
    pub(super) key: PublicKey,
}

/// Who may come in and who is in: of this process, so that after a restart one signs in again.
#[derive(Default)]
pub struct Visitors {
    pub(super) links: SignInLinks,
    pub(super) sessions: Sessions,
}

/// The links that can still be used.
pub(super) struct SignInLinks(BySecret<Holder>);

/// The sessions that have not ended.
pub(super) struct Sessions(BySecret<Session>);

/// One browser's stay.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) holder: Holder,
    pub(super) csrf: String,
    began: UnixTime,
}

impl Default for SignInLinks {
    fn default() -> Self {
        Self(BySecret::with_room_for(MAX_LINKS))
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self(BySecret::with_room_for(MAX_SESSIONS))
    }
}

impl Sessions {
    /// Begins one and gives its secret.
    fn begin(&self, holder: Holder, now: UnixTime, random: &dyn Random) -> String {
        let owner = holder.id;
        let session = Session { holder, csrf: draw(random), began: now };
        self.0.keep((owner, session), (now, now + IDLE), random)
    }

    /// The session with this secret.
    pub(super) fn find(&self, secret: &str, now: UnixTime) -> Option<Session> {
        self.0.look(secret, now)
    }

    /// Lets it live on, because somebody is there.
    pub(super) fn prolong(&self, session: &Session, secret: &str, now: UnixTime) {
        self.0.prolong(secret, (now + IDLE).min(session.began + SESSION_LIFETIME));
    }

    pub(super) fn end(&self, secret: &str, now: UnixTime) {
        self.0.take(secret, now);
    }
}

/// What the call that makes links works with.
#[derive(Clone)]
pub(in crate::internal) struct ConsoleLinks {
    pub(in crate::internal) visitors: Arc<Visitors>,
    pub(in crate::internal) clock: Arc<dyn Clock>,
    pub(in crate::internal) random: Arc<dyn Random>,
}

/// Makes a link into the console for whoever signs this call.
#[utoipa::path(
    post,
    path = routes::CONSOLE_LINKS,
    operation_id = "create_console_link",
    tag = "Console",
    responses((status = 201, description = "The link: it is good once, and for a minute.", body = ConsoleLink))
)]
pub(in crate::internal) async fn create_link(
    axum::extract::State(console): axum::extract::State<ConsoleLinks>,
    Extension(identity): Extension<Identity>,
) -> Result<(StatusCode, Json<ConsoleLink>), Problem> {
    let holder = holder(&identity).ok_or_else(|| {
        Kind::Internal.problem("a caller without a key got here; this is a defect")
    })?;
    let now = console.clock.now();
    let until = now + LINK_LIFETIME;
    let links = &console.visitors.links.0;
    let secret = links.keep((holder.id, holder), (now, until), &*console.random);
    let path = paths::with_query(paths::SIGN_IN, &[("link", &secret)]);
    Ok((StatusCode::CREATED, Json(ConsoleLink { path, expires_at: to_timestamp(until) })))
}

fn holder(identity: &Identity) -> Option<Holder> {
    let Some(Credential::PublicKey(key)) = identity.credential() else { return None };
    let id = identity.account_id()?;
    Some(Holder { account: identity.account().clone(), id, key: key.clone() })
}

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage<'a> {
    /// The link, with the account that it signs in.
    offer: Option<(&'a str, AccountName)>,
    /// Why there is none, where one was tried.
    why_not: Option<&'static str>,
}

const NO_LINK: SignInPage<'_> = SignInPage { offer: None, why_not: None };
const LINK_IS_OVER: &str = "This link is good no more: it was used, is more than a minute old, or newer ones took its \
     place. Make a new one.";
const SESSION_IS_OVER: &str = "Your session is over. What you sent was not done.";

#[derive(Deserialize)]
pub(super) struct Shown {
    link: Option<String>,
}

/// Shows what a link would do, and how to get one. This spends nothing: whatever opens
/// links before a person does cannot use them up.
pub(super) async fn show(
    axum::extract::State(console): State,
    StrictQuery(Shown { link }): StrictQuery<Shown>,
) -> Response {
    let Some(link) = link else { return rendered(&NO_LINK) };
    match console.visitors.links.0.look(&link, console.clock.now()) {
        Some(holder) => {
            rendered(&SignInPage { offer: Some((&link, holder.account)), why_not: None })
        }
        None => over(LINK_IS_OVER),
    }
}

/// Spends a link for a session.
pub(super) async fn sign_in(
    axum::extract::State(console): State,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = console.bodies.read_within(body, MAX_FORM_BYTES, FORM_TIMEOUT).await?;
    let link = url::form_urlencoded::parse(&body).find(|(name, _)| name == "link");
    let link = link.map(|(_, link)| link.into_owned()).unwrap_or_default();
    let now = console.clock.now();
    let Some(holder) = console.visitors.links.0.take(&link, now) else {
        return Ok(over(LINK_IS_OVER));
    };
    let client = RequestContext::find(&head.extensions).and_then(|context| context.client);
    // The key may have been revoked since it signed for the link.
    if console.role(&holder).await?.is_none() {
        return Ok(over(LINK_IS_OVER));
    }
    let act = Act { actor: holder.account.to_string(), at: now, from: client };
    console.administration.store.signed_in(&act, &holder.key).await?;
    tracing::info!(account = %holder.account, key = holder.key.fingerprints().openssh(), client = client.map(tracing::field::display), "signed in to the console");
    let secret = console.visitors.sessions.begin(holder, now, &*console.random);
    let cookie = set_cookie(&secret, SESSION_LIFETIME, console.scheme);
    Ok(([(SET_COOKIE, cookie)], Redirect::to(paths::ACCOUNTS)).into_response())
}

/// Ends the session.
pub(super) async fn sign_out(
    axum::extract::State(console): State,
    headers: HeaderMap,
    _: super::submission::Question,
) -> Response {
    for secret in session_cookies(&headers, console.scheme) {
        console.visitors.sessions.end(secret, console.clock.now());
    }
    let cookie = set_cookie("", Duration::ZERO, console.scheme);
    ([(SET_COOKIE, cookie)], Redirect::to(paths::SIGN_IN)).into_response()
}

/// The answer to a form of a session that is over.
pub(super) fn ended() -> Response {
    over(SESSION_IS_OVER)
}

fn over(why_not: &'static str) -> Response {
    let page = SignInPage { why_not: Some(why_not), ..NO_LINK };
    (StatusCode::UNAUTHORIZED, rendered(&page)).into_response()
}

/// What may be the secret of the session that a request belongs to.
pub(super) fn session_cookies(headers: &HeaderMap, scheme: Scheme) -> impl Iterator<Item = &str> {
    let (name, _) = cookie_scope(scheme);
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(found, _)| *found == name)
        .map(|(_, secret)| secret)
}

fn set_cookie(secret: &str, lifetime: Duration, scheme: Scheme) -> String {
    let (name, scope) = cookie_scope(scheme);
    let seconds = lifetime.as_secs();
    format!("{name}={secret}; {scope}; Max-Age={seconds}; HttpOnly; SameSite=Strict")
}

/// Under TLS no other host and no plain connection can put a cookie of this name into the
/// browser; the prefix demands the path `/` for that (RFC 6265bis section 4.1.3.2).
fn cookie_scope(scheme: Scheme) -> (&'static str, &'static str) {
    match scheme {
        Scheme::Http => ("countersign-console", "Path=/console"),
        Scheme::Https => ("__Host-countersign-console", "Path=/; Secure"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_bound_as_tightly_as_its_scheme_allows() {
        let minute = Duration::from_mins(1);
        assert_eq!(
            set_cookie("s", minute, Scheme::Http),
            "countersign-console=s; Path=/console; Max-Age=60; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            set_cookie("s", minute, Scheme::Https),
            "__Host-countersign-console=s; Path=/; Secure; Max-Age=60; HttpOnly; SameSite=Strict"
        );
    }

    #[test]
    fn only_the_cookie_of_the_scheme_is_looked_at() {
        let mut headers = HeaderMap::new();
        let cookies = "a=b; countersign-console=plain;__Host-countersign-console=safe; \
                       countersign-console=another";
        headers.insert(COOKIE, http::HeaderValue::from_static(cookies));
        let of = |scheme| session_cookies(&headers, scheme).collect::<Vec<_>>();
        assert_eq!(of(Scheme::Http), ["plain", "another"]);
        assert_eq!(of(Scheme::Https), ["safe"]);
        assert_eq!(session_cookies(&HeaderMap::new(), Scheme::Http).next(), None);
    }
}

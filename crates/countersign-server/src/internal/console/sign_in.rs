//! In and out: a link becomes a session, once, and a session ends.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Json;
use axum::extract::{Extension, Request};
use axum::response::{IntoResponse as _, Redirect, Response};
use countersign_core::ports::{Act, Credential, Visit, VisitKind, VisitStore};
use countersign_core::{AccountId, AccountName, Clock, Identity, PublicKey, Random, UnixTime};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::page::rendered;
use super::secrets::{draw, hash, may_be};
use super::{State, paths};
use crate::api::{ConsoleLink, Problem, routes, to_timestamp};
use crate::internal::extract::StrictQuery;
use crate::internal::problems::Kind;
use crate::internal::same_site::Scheme;
use crate::request_context::RequestContext;

/// How long a link is good for.
pub(super) const LINK_LIFETIME: Duration = Duration::from_mins(1);
/// The most links that are open for one account at a time.
const MAX_LINKS: u32 = 8;
/// The most bytes of the form that spends one, and how long it may take: whoever sends it has
/// shown nothing yet.
const MAX_FORM_BYTES: usize = 1024;
const FORM_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a session lives without a request that somebody made.
const IDLE: Duration = Duration::from_mins(15);
/// How much of that may be left out, so that not every request writes.
const BETWEEN_PROLONGATIONS: Duration = Duration::from_secs(30);
/// How long a session lives at most.
const SESSION_LIFETIME: Duration = Duration::from_hours(4);
/// The most sessions of one account at a time.
const MAX_SESSIONS: u32 = 16;

/// The most cookies of our name that are looked at.
const MAX_COOKIES: usize = 4;

/// Whose link or session it is: the holder of this key of this account.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) account: AccountName,
    pub(super) id: AccountId,
    pub(super) key: PublicKey,
}

impl From<Visit> for Holder {
    fn from(visit: Visit) -> Self {
        Self { account: visit.name, id: visit.account, key: visit.key }
    }
}

impl Holder {
    fn visit(self, began_at: UnixTime, ends_at: UnixTime) -> Visit {
        Visit { account: self.id, name: self.account, key: self.key, began_at, ends_at }
    }
}

/// Who may come in and who is in, at whichever server of the store.
#[derive(Clone)]
pub(in crate::internal) struct Visitors(pub(in crate::internal) Arc<dyn VisitStore>);

impl Visitors {
    /// Keeps a link and gives its secret.
    async fn offer(
        &self,
        holder: Holder,
        (now, until): (UnixTime, UnixTime),
        random: &dyn Random,
    ) -> Result<String, Problem> {
        let secret = draw(random);
        let visit = holder.visit(now, until);
        self.0.keep_visit((VisitKind::Link, &hash(&secret)), &visit, MAX_LINKS).await?;
        Ok(secret)
    }

    /// Whose link it is, which stays.
    async fn offered(&self, link: &str, now: UnixTime) -> Result<Option<Holder>, Problem> {
        if !may_be(link) {
            return Ok(None);
        }
        Ok(self.0.visit(VisitKind::Link, &hash(link), now).await?.map(Holder::from))
    }

    /// The same, and it is gone with this: whoever asks first gets it.
    async fn accept(&self, link: &str, now: UnixTime) -> Result<Option<Holder>, Problem> {
        // Strangers who guess only make the store read.
        if self.offered(link, now).await?.is_none() {
            return Ok(None);
        }
        Ok(self.0.end_visit(VisitKind::Link, &hash(link), now).await?.map(Holder::from))
    }

    /// Begins a session and gives its secret.
    async fn begin(
        &self,
        holder: Holder,
        now: UnixTime,
        random: &dyn Random,
    ) -> Result<String, Problem> {
        let secret = draw(random);
        let visit = holder.visit(now, now + IDLE);
        self.0.keep_visit((VisitKind::Session, &hash(&secret)), &visit, MAX_SESSIONS).await?;
        Ok(secret)
    }

    /// The session with this secret.
    pub(super) async fn session(
        &self,
        secret: &str,
        now: UnixTime,
    ) -> Result<Option<Session>, Problem> {
        let visit = self.0.visit(VisitKind::Session, &hash(secret), now).await?;
        Ok(visit.map(|visit| Session {
            began: visit.began_at,
            until: visit.ends_at,
            secret: secret.to_owned(),
            holder: visit.into(),
        }))
    }

    /// Lets it live on, because somebody is there.
    pub(super) async fn prolong(&self, session: &Session, now: UnixTime) -> Result<(), Problem> {
        let until = (now + IDLE).min(session.began + SESSION_LIFETIME);
        // Not with each picture of a page.
        if until > session.until + BETWEEN_PROLONGATIONS {
            self.0.prolong_session(&hash(&session.secret), until).await?;
        }
        Ok(())
    }

    pub(super) async fn end(&self, secret: &str, now: UnixTime) -> Result<(), Problem> {
        self.0.end_visit(VisitKind::Session, &hash(secret), now).await?;
        Ok(())
    }
}

/// One browser's stay.
pub(super) struct Session {
    pub(super) holder: Holder,
    pub(super) secret: String,
    began: UnixTime,
    until: UnixTime,
}

/// What the call that makes links works with.
#[derive(Clone)]
pub(in crate::internal) struct ConsoleLinks {
    pub(in crate::internal) visitors: Visitors,
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
    let secret = console.visitors.offer(holder, (now, until), &*console.random).await?;
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
) -> Result<Response, Problem> {
    let Some(link) = link else { return Ok(rendered(&NO_LINK)) };
    Ok(match console.visitors.offered(&link, console.clock.now()).await? {
        Some(holder) => {
            rendered(&SignInPage { offer: Some((&link, holder.account)), why_not: None })
        }
        None => over(LINK_IS_OVER),
    })
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
    let Some(holder) = console.visitors.accept(&link, now).await? else {
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
    let secret = console.visitors.begin(holder, now, &*console.random).await?;
    let cookie = set_cookie(&secret, SESSION_LIFETIME, console.scheme);
    Ok(([(SET_COOKIE, cookie)], Redirect::to(paths::ACCOUNTS)).into_response())
}

/// Ends the session.
pub(super) async fn sign_out(
    axum::extract::State(console): State,
    headers: HeaderMap,
    _: super::submission::Question,
) -> Result<Response, Problem> {
    for secret in session_cookies(&headers, console.scheme) {
        console.visitors.end(secret, console.clock.now()).await?;
    }
    let cookie = set_cookie("", Duration::ZERO, console.scheme);
    Ok(([(SET_COOKIE, cookie)], Redirect::to(paths::SIGN_IN)).into_response())
}

/// The answer to a form of a session that is over.
pub(super) fn ended() -> Response {
    over(SESSION_IS_OVER)
}

fn over(why_not: &'static str) -> Response {
    let page = SignInPage { why_not: Some(why_not), ..NO_LINK };
    (StatusCode::UNAUTHORIZED, rendered(&page)).into_response()
}

/// What may be the secret of the session that a request belongs to: not more than a few, as the
/// store is asked about each.
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
        .filter(|secret| may_be(secret))
        .take(MAX_COOKIES)
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
        let [plain, safe, another] = ["p", "s", "a"].map(|letter| letter.repeat(43));
        let cookies = format!(
            "a=b; countersign-console={plain};__Host-countersign-console={safe}; \
             countersign-console=none; countersign-console={another}"
        );
        headers.insert(COOKIE, cookies.parse().unwrap());
        let of = |scheme| session_cookies(&headers, scheme).collect::<Vec<_>>();
        assert_eq!(of(Scheme::Http), [&plain, &another]);
        assert_eq!(of(Scheme::Https), [&safe]);
        let many = format!("countersign-console={plain};").repeat(100);
        headers.insert(COOKIE, many.parse().unwrap());
        let of = |scheme| session_cookies(&headers, scheme).count();
        assert_eq!(of(Scheme::Http), MAX_COOKIES);
        assert_eq!(session_cookies(&HeaderMap::new(), Scheme::Http).next(), None);
    }
}

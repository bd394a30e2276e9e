//! The door: whoever passes has a session whose key is still good.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use countersign_core::AccountName;
use countersign_core::ports::Act;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::secrets::of_forms;
use super::sign_in::{self, Holder};
use super::{Console, State, paths};
use crate::api::Problem;
use crate::internal::problems::Kind;
use crate::internal::role::Role;
use crate::request_context::RequestContext;

/// What a script of a page adds to its requests.
const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
/// Where such a request is to lead the whole page.
const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

/// Who looks at a page, an extension of every request that passed the door.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) account: AccountName,
    pub(super) role: Role,
    /// What forms of this session carry.
    pub(super) csrf: String,
    /// What is done with this request is done by and from here.
    pub(super) act: Act,
}

/// Lets those through who have a session; others are shown how to get one.
pub(super) async fn enter(
    axum::extract::State(console): State,
    request: Request,
    next: Next,
) -> Response {
    let (mut head, body) = request.into_parts();
    match console.admit(&head, body).await {
        Ok(Some((visitor, body))) => {
            head.extensions.insert(visitor);
            next.run(Request::from_parts(head, body.into())).await
        }
        Ok(None) if head.headers.contains_key(HX_REQUEST) => {
            let to = [(HX_REDIRECT, HeaderValue::from_static(paths::SIGN_IN))];
            (StatusCode::UNAUTHORIZED, to).into_response()
        }
        Ok(None) if head.method == Method::GET => Redirect::to(paths::SIGN_IN).into_response(),
        Ok(None) => sign_in::ended().into_response(),
        Err(problem) => problem.into_response(),
    }
}

impl Console {
    /// The visitor as of the moment at which the whole request is there: rights that were lost
    /// while a slow body came are lost. Of who has no session no body is read.
    async fn admit(&self, head: &Parts, body: Body) -> Result<Option<(Visitor, Bytes)>, Problem> {
        if self.session(&head.headers).await?.is_none() {
            return Ok(None);
        }
        let body = self.bodies.read(body).await?;
        Ok(self.visitor(head).await?.map(|visitor| (visitor, body)))
    }

    async fn visitor(&self, head: &Parts) -> Result<Option<Visitor>, Problem> {
        let Some(session) = self.session(&head.headers).await? else { return Ok(None) };
        let Some(role) = self.role(&session.holder).await? else {
            tracing::info!(account = %session.holder.account, "a console session is over: its key, account or group is not what it was");
            self.visitors.end(&session.secret, self.clock.now()).await?;
            return Ok(None);
        };
        let act = Act {
            actor: session.holder.account.to_string(),
            at: self.clock.now(),
            from: RequestContext::find(&head.extensions).and_then(|context| context.client),
        };
        let csrf = of_forms(&session.secret);
        Ok(Some(Visitor { account: session.holder.account, role, csrf, act }))
    }

    /// What the holder of a key may do now; nothing, if the key is no longer good, the
    /// account another of the same name, disabled or gone, or in neither group.
    pub(super) async fn role(&self, holder: &Holder) -> Result<Option<Role>, Problem> {
        let found = self.directory.find(&holder.account).await.map_err(|error| {
            tracing::error!(%error, "cannot check a console session at the moment");
            Kind::Unavailable.problem("sessions cannot be checked: try again")
        })?;
        let now = self.clock.now();
        Ok(found
            .filter(|account| account.id == holder.id && account.may_use(&holder.key, now))
            .and_then(|account| Role::of(&account.groups)))
    }

    async fn session(&self, headers: &HeaderMap) -> Result<Option<sign_in::Session>, Problem> {
        let now = self.clock.now();
        // Another server on this host may have put a cookie of the same name before ours.
        for secret in sign_in::session_cookies(headers, self.scheme) {
            let Some(session) = self.visitors.session(secret, now).await? else { continue };
            // A page that looks by itself is nobody who is there.
            if !headers.contains_key(HX_REQUEST) {
                self.visitors.prolong(&session, now).await?;
            }
            return Ok(Some(session));
        }
        Ok(None)
    }
}

//! The keys that access tokens are signed with.

use askama::Template;
use axum::extract::Extension;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;

use super::notice::{self, Notice};
use super::page::{Frame, Section, shown};
use super::submission::Change;
use super::view::{Instant, Now};
use super::visitor::Visitor;
use super::{Console, State, paths};
use crate::api::{
    Problem, RotateSigningKeys, SigningKey, SigningKeyState, SigningKeys, UnusableSigningKey,
};
use crate::internal::api_keys::Tokens;
use crate::internal::extract::{Actor, StrictJson, StrictQuery};
use crate::internal::problems::Kind;
use crate::internal::signing_keys as call;

/// The word for what leads back to the page.
const ROTATED: &str = "rotated";

#[derive(Template)]
#[template(path = "console/signing_keys.html")]
struct SigningKeysPage {
    frame: Frame,
    /// Nothing, if this server issues no tokens.
    ring: Option<Ring>,
}

struct Ring {
    keys: Vec<Row>,
    unusable: Vec<UnusableSigningKey>,
    /// What the JWKS URL answers, indented.
    jwks: String,
    /// From when on the standby may sign, if that is still to come.
    next_may_sign: Option<Instant>,
}

struct Row {
    kid: String,
    algorithm: String,
    state: &'static str,
    means: &'static str,
    published: Instant,
    activated: Option<Instant>,
    retired: Option<Instant>,
    gone: Option<Instant>,
    pem: String,
}

#[derive(Deserialize)]
pub(super) struct Which {
    kid: String,
}

/// Shows the keys and what is published of them.
pub(super) async fn show(
    axum::extract::State(console): State,
    Extension(visitor): Extension<Visitor>,
    StrictQuery(notice): StrictQuery<Notice>,
) -> Result<Response, Problem> {
    let word = notice.word(&visitor, paths::SIGNING_KEYS);
    let done = (word == Some(ROTATED))
        .then_some("The keys were rotated: the standby signs now, and a new standby is published.");
    let frame = Frame::new(&visitor, Section::SigningKeys).done(done);
    Ok(console.signing_keys_page(frame).await)
}

/// Lets the standby sign.
pub(super) async fn rotate(
    axum::extract::State(console): State,
    Change(form): Change,
) -> Result<Response, Problem> {
    let rotate = async {
        let state = axum::extract::State(console.token_routes()?);
        let how = RotateSigningKeys { compromised: form.text("compromised") == "yes" };
        call::rotate(state, Actor(form.visitor.act.clone()), StrictJson(how)).await
    };
    match rotate.await {
        Ok(_) => {
            let path = notice::path_with(paths::SIGNING_KEYS, &form.visitor, ROTATED);
            Ok(Redirect::to(&path).into_response())
        }
        Err(problem) => {
            let frame = Frame::new(&form.visitor, Section::SigningKeys).refused(problem.into());
            Ok(console.signing_keys_page(frame).await)
        }
    }
}

/// A key's public half as a file.
pub(super) async fn pem(
    axum::extract::State(console): State,
    StrictQuery(which): StrictQuery<Which>,
) -> Result<Response, Problem> {
    let keys = console.ring_keys(console.token_routes()?).await;
    let key = keys
        .signing_keys
        .into_iter()
        .find(|key| key.kid == which.kid)
        .ok_or_else(|| Kind::NoSuchRoute.problem("there is no signing key of this `kid`"))?;
    let headers = [
        (CONTENT_TYPE, "application/x-pem-file"),
        (CONTENT_DISPOSITION, "attachment; filename=\"signing-key.pub.pem\""),
    ];
    Ok((headers, key.public_key).into_response())
}

impl Console {
    /// What concerns tokens, if this server issues them.
    pub(super) fn token_routes(&self) -> Result<Tokens, Problem> {
        self.tokens.clone().ok_or_else(|| Kind::NoSuchRoute.problem("this server issues no tokens"))
    }

    async fn ring_keys(&self, tokens: Tokens) -> SigningKeys {
        call::list(axum::extract::State(tokens)).await.0
    }

    async fn signing_keys_page(&self, frame: Frame) -> Response {
        let ring = match &self.tokens {
            Some(tokens) => Some(self.ring(tokens).await),
            None => None,
        };
        let page = SigningKeysPage { frame, ring };
        shown(&page.frame, &page)
    }

    async fn ring(&self, tokens: &Tokens) -> Ring {
        let now = Now::of(&*self.clock);
        let jwks = tokens.service.ring().jwks();
        let indented = serde_json::from_str::<serde_json::Value>(&jwks)
            .and_then(|jwks| serde_json::to_string_pretty(&jwks));
        let SigningKeys { signing_keys, unusable } = self.ring_keys(tokens.clone()).await;
        Ring {
            next_may_sign: now.may_sign(&signing_keys),
            unusable,
            keys: signing_keys.into_iter().map(|key| Row::new(key, now)).collect(),
            jwks: indented.unwrap_or(jwks),
        }
    }
}

impl Now {
    /// When the standby will have been published for long enough, if it has not been yet.
    fn may_sign(self, keys: &[SigningKey]) -> Option<Instant> {
        let standby = keys.iter().find(|key| key.state == SigningKeyState::Published)?;
        let known = countersign_core::PUBLISH_AHEAD;
        let from = standby.published_at.checked_add(known).ok()?;
        (!self.has_come(Some(from))).then(|| self.instant(from))
    }
}

impl Row {
    fn new(key: SigningKey, now: Now) -> Self {
        let (state, means) = match key.state {
            SigningKeyState::Published => {
                ("standby", "is published, and signs after the next rotation")
            }
            SigningKeyState::Active => ("active", "signs"),
            SigningKeyState::Retired => ("retired", "signs no more, and is still believed"),
            SigningKeyState::Gone => ("gone", "is not believed any more"),
        };
        Self {
            pem: paths::with_query(paths::SIGNING_KEY_PEM, &[("kid", &key.kid)]),
            kid: key.kid,
            algorithm: key.algorithm,
            state,
            means,
            published: now.instant(key.published_at),
            activated: key.activated_at.map(|at| now.instant(at)),
            retired: key.retired_at.map(|at| now.instant(at)),
            gone: key.gone_at.map(|at| now.instant(at)),
        }
    }
}

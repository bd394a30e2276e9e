//! What a form sent, if it is a form of this session.

use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts as _, Multipart, Request, State};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use percent_encoding::percent_decode;

use super::Console;
use super::secrets::same;
use super::visitor::Visitor;
use crate::api::{Account, Problem};
use crate::internal::accounts;
use crate::internal::bodies::MAX_BODY_BYTES;
use crate::internal::extract::InPath;
use crate::internal::problems::Kind;

const MULTIPART: &[u8] = b"multipart/form-data";
/// The field that shows that a form is ours: another site's page cannot know it.
pub(super) const CSRF: &str = "csrf";

/// The fields of a form that changes nothing, with who sent it.
pub(super) struct Question {
    pub(super) visitor: Visitor,
    fields: Vec<(String, String)>,
}

/// The same of a form that changes something, sent by one who may.
pub(super) struct Change(pub(super) Question);

/// The same of a form on an account's page: it is about the account that the page showed, and
/// not about another that was given the name since then.
pub(super) struct AccountForm {
    pub(super) account: Account,
    pub(super) form: Question,
}

impl Question {
    /// A field, without blanks at its ends; empty if it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields
            .iter()
            .find(|(found, value)| found == name && !value.trim().is_empty())
            .map_or("", |(_, value)| value.trim())
    }
}

impl FromRequest<Arc<Console>> for Question {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Console>) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let visitor = head.extensions.get::<Visitor>().cloned().ok_or_else(|| {
            Kind::Internal.problem("a page is not behind the door; this is a defect")
        })?;
        // The door has read it, within its limits.
        let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| unreadable())?;
        let fields = fields(Request::from_parts(head, body.clone().into()), &body).await?;
        let question = Self { visitor, fields };
        if !same(question.text(CSRF), &question.visitor.csrf) {
            return Err(Kind::OtherSite
                .problem("this form is not of the session you are in: open the page again"));
        }
        Ok(question)
    }
}

impl FromRequest<Arc<Console>> for Change {
    type Rejection = Problem;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Problem> {
        let question = Question::from_request(request, console).await?;
        if !question.visitor.role.may_change() {
            return Err(Kind::NotAnAdministrator.problem(
                "auditors may look at everything and change nothing: ask an administrator",
            ));
        }
        Ok(Self(question))
    }
}

impl FromRequest<Arc<Console>> for AccountForm {
    type Rejection = Problem;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Problem> {
        let (mut head, body) = request.into_parts();
        let InPath(name) = InPath::from_request_parts(&mut head, console).await?;
        let Change(form) = Change::from_request(Request::from_parts(head, body), console).await?;
        let store = State(console.administration.store.clone());
        let account = accounts::show(store, InPath(name)).await?.0;
        if form.text("account") != account.id.to_string() {
            return Err(Kind::AccountExists.problem(
                "the account of this name is not the one that the page showed: look again",
            ));
        }
        Ok(Self { account, form })
    }
}

fn unreadable() -> Problem {
    Kind::InvalidRequest.problem("the form cannot be read: send it again")
}

/// Forms with a file come in parts, the others as one line.
async fn fields(request: Request, body: &Bytes) -> Result<Vec<(String, String)>, Problem> {
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let in_parts = |value: &[u8]| {
        value.get(..MULTIPART.len()).is_some_and(|start| start.eq_ignore_ascii_case(MULTIPART))
    };
    if !content_type.is_some_and(in_parts) {
        // The parser would put U+FFFD in the place of what is not UTF-8.
        percent_decode(body).decode_utf8().map_err(|_| {
            Kind::InvalidRequest.problem("the form is not UTF-8 after percent-decoding")
        })?;
        return Ok(url::form_urlencoded::parse(body).into_owned().collect());
    }
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| unreadable())?;
    let mut fields = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|_| unreadable())? {
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|_| unreadable())?;
        let text = String::from_utf8(bytes.into()).map_err(|_| {
            Kind::InvalidRequest.problem(format_args!(
                "the file is no text: a key in PEM, OpenSSH or JWK form, or a certificate in PEM, \
                 is wanted in `{name}`"
            ))
        })?;
        fields.push((name, text));
    }
    Ok(fields)
}

//! How pages become answers.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;

use super::visitor::Visitor;
use crate::api::Problem;
use crate::internal::problems::Kind;

/// What stands around every page.
pub(super) struct Frame {
    /// Who looks.
    pub(super) account: String,
    pub(super) may_change: bool,
    pub(super) csrf: String,
    /// Which of the sections is marked as the present one.
    pub(super) section: Section,
    /// What was just done.
    pub(super) done: Option<&'static str>,
    /// What was not done, and why.
    pub(super) refused: Option<Refused>,
}

/// Why something was not done, and the field of the form in which that can be mended.
pub(super) struct Refused {
    pub(super) problem: Problem,
    pub(super) field: Option<&'static str>,
}

/// Problems of the administration API know members of a body, and no fields.
impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let field = match problem.code() {
            "unacceptable-key" => Some("key"),
            "unacceptable-url" => Some("url"),
            "account-exists" => Some("name"),
            _ => None,
        };
        Self { problem, field }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        refused.problem
    }
}

/// The sections that the navigation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Accounts,
    SigningKeys,
    Refusals,
    Audit,
}

impl Frame {
    pub(super) fn new(visitor: &Visitor, section: Section) -> Self {
        Self {
            account: visitor.account.to_string(),
            may_change: visitor.role.may_change(),
            csrf: visitor.csrf.clone(),
            section,
            done: None,
            refused: None,
        }
    }

    /// The same with what went wrong.
    pub(super) fn refused(self, refused: Refused) -> Self {
        Self { refused: Some(refused), ..self }
    }

    /// The same with what was done.
    pub(super) fn done(self, what: Option<&'static str>) -> Self {
        Self { done: what, ..self }
    }

    /// The answer's status: a problem's, where the page shows one.
    fn status(&self) -> StatusCode {
        self.refused.as_ref().map_or(StatusCode::OK, |refused| status(&refused.problem))
    }

    /// Whether what was refused can be mended in this field.
    pub(super) fn is_about(&self, field: &str) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.field == Some(field))
    }

    /// The attributes of a field that tell whoever cannot see the page that this is the one
    /// to mend, and why.
    pub(super) fn mark(&self, field: &str) -> &'static str {
        if self.is_about(field) {
            " aria-invalid=\"true\" aria-describedby=\"refusal\""
        } else {
            ""
        }
    }

    /// The attribute of the link to the present section.
    pub(super) fn current(&self, section: Section) -> &'static str {
        if self.section == section { "page" } else { "false" }
    }
}

/// A page in its frame as an answer.
pub(super) fn shown(frame: &Frame, page: &impl Template) -> Response {
    (frame.status(), rendered(page)).into_response()
}

/// A page, or a part of one, as an answer.
pub(super) fn rendered(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn status(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(Kind::Internal.status())
}

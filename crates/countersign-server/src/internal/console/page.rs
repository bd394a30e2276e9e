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
    pub(super) refused: Option<Problem>,
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
    pub(super) fn refused(self, problem: Problem) -> Self {
        Self { refused: Some(problem), ..self }
    }

    /// The same with what was done.
    pub(super) fn done(self, what: Option<&'static str>) -> Self {
        Self { done: what, ..self }
    }

    /// The answer's status: a problem's, where the page shows one.
    fn status(&self) -> StatusCode {
        self.refused.as_ref().map_or(StatusCode::OK, status)
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

/// A page that cannot be shown, and why.
pub(super) struct Failed(Problem);

#[derive(Template)]
#[template(path = "console/problem.html")]
struct ProblemPage<'a> {
    problem: &'a Problem,
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (status(&self.0), rendered(&ProblemPage { problem: &self.0 })).into_response()
    }
}

fn status(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(Kind::Internal.status())
}

//! Makes pages of the answers that other parts of the listener give to a browser.

use askama::Template;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::page::rendered;
use super::{headers, paths};
use crate::api::Problem;

#[derive(Template)]
#[template(path = "console/problem.html")]
struct ProblemPage<'a> {
    problem: &'a Problem,
}

/// Whatever is answered at the console's addresses is a page, and has a page's headers: also
/// what the checks of the host and of the site, the limits and the last resort answer.
pub(in crate::internal) async fn dress(request: Request, next: Next) -> Response {
    let is_ours = paths::is_of_the_console(request.uri().path());
    let response = next.run(request).await;
    if !is_ours {
        return response;
    }
    let mut response = match response.extensions().get::<Problem>().cloned() {
        None => response,
        Some(problem) => {
            let body = rendered(&ProblemPage { problem: &problem }).into_body();
            let (mut head, _) = response.into_parts();
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            head.headers.insert(CONTENT_TYPE, html);
            Response::from_parts(head, body)
        }
    };
    headers::add(response.headers_mut());
    response
}

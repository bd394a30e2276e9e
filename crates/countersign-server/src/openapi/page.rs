//! The page that shows the document to people: Swagger UI, whose files are in the binary.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use utoipa_swagger_ui::{Config, SwaggerFile};

use super::{KEPT, described};

/// The path of the page.
pub const DOCS: &str = "/docs";

/// Nothing from elsewhere, nothing sent elsewhere; Swagger UI styles its elements itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// It only shows: calls of the administration are signed one by one, which no page can do,
/// and nobody should be led to type a key into one.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::from("../openapi.json")
        .use_base_layout()
        .supported_submit_methods([""; 0])
        .validator_url("none");
    Arc::new(config)
});

described! {
    /// The page and its files.
    pub(super) Page for () {
        DOCS => get lead;
        "/docs/" => get show;
        "/docs/{file}" => get file;
    }
}

/// Leads to the page.
#[utoipa::path(
    get,
    path = DOCS,
    operation_id = "lead_to_page",
    tag = "Document",
    responses((status = 308, description = "The page is behind a slash, so that it finds its files."))
)]
async fn lead() -> Redirect {
    Redirect::permanent("docs/")
}

/// A page to read this document with.
#[utoipa::path(
    get,
    path = "/docs/",
    operation_id = "show_page",
    tag = "Document",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
async fn show() -> Response {
    answer("index.html")
}

/// What the page consists of.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    operation_id = "show_file_of_page",
    tag = "Document",
    params(("file" = String, Path, description = "The file's name.")),
    responses(
        (status = 200, description = "The file.", body = String, content_type = "*/*"),
        (status = 404, description = "The page has no such file."),
    )
)]
async fn file(Path(name): Path<String>) -> Response {
    answer(&name)
}

fn answer(name: &str) -> Response {
    let Ok(Some(file)) = utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let SwaggerFile { bytes, content_type, gzpipped, .. } = file;
    let headers = [
        (CONTENT_TYPE, HeaderValue::try_from(content_type).ok()),
        (CONTENT_ENCODING, gzpipped.then_some(HeaderValue::from_static("gzip"))),
        (CACHE_CONTROL, Some(HeaderValue::from_static(KEPT))),
        (CONTENT_SECURITY_POLICY, Some(HeaderValue::from_static(POLICY))),
        (X_CONTENT_TYPE_OPTIONS, Some(HeaderValue::from_static("nosniff"))),
    ];
    // The files stay where the binary has them.
    let mut response = match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes).into_response(),
        Cow::Owned(bytes) => bytes.into_response(),
    };
    for (name, value) in headers {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

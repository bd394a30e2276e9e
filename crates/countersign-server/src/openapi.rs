//! `/openapi.json`, the OpenAPI 3.1 document of a listener, and the page to read it with.
//!
//! One list makes the router and the description of its routes, so that none can be
//! forgotten. The document is written when somebody asks for it for the first time: at
//! the start it would cost some MiB of memory that stay. It holds no secret.

mod edit;
mod page;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa::{OpenApi as _, ToSchema};

pub(crate) use edit::{add_headers, header, operations, response};
pub use page::DOCS;

/// The path of the document.
pub const OPENAPI: &str = "/openapi.json";

/// How long a browser may keep the document and what the page consists of.
const KEPT: &str = "public, max-age=300";

/// A JWK set (RFC 7517 section 5).
#[derive(ToSchema)]
#[schema(as = JwkSet)]
#[expect(dead_code, reason = "describes what the core writes")]
pub(crate) struct KeySet {
    /// Its keys.
    keys: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// A document that describes nothing yet.
pub(crate) fn empty(title: &str, version: &str, description: &str) -> OpenApi {
    let info = InfoBuilder::new().title(title).version(version).description(Some(description));
    OpenApiBuilder::new().info(info).build()
}

/// Makes routes from one list: a function that gives the router, and the type that
/// describes them.
macro_rules! described {
    ($(#[$about:meta])* $visibility:vis $name:ident for $state:ty {
        $($path:expr => $($method:ident $($handler:ident)::+),+;)+
    }) => {
        $(#[$about])*
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($($handler)::+),+),+))]
        $visibility struct $name;

        impl $name {
            $visibility fn router() -> axum::Router<$state> {
                axum::Router::new()$(
                    .route($path, axum::routing::MethodRouter::new()$(.$method($($handler)::+))+)
                )+
            }
        }
    };
}
pub(crate) use described;

/// A document that is written when it is asked for.
type Written = Arc<LazyLock<Bytes, Box<dyn FnOnce() -> Bytes + Send>>>;

described! {
    /// The document's own route.
    Document for Written { OPENAPI => get show; }
}

/// Serves a document, with these routes in it, and its page; `everywhere` adds what holds
/// for all routes.
pub(crate) fn routes(
    document: impl FnOnce() -> OpenApi + Send + 'static,
    everywhere: fn(&mut OpenApi),
) -> Router {
    let write = move || {
        let mut document = document();
        document.merge(Document::openapi());
        document.merge(page::Page::openapi());
        everywhere(&mut document);
        edit::note_request_ids(&mut document);
        // Unwrap safety: it consists of maps with text keys.
        document.to_json().expect("a document can be written").into()
    };
    let written: Written = Arc::new(LazyLock::new(Box::new(write)));
    Document::router().with_state(written).merge(page::Page::router())
}

/// This document.
#[utoipa::path(
    get,
    path = OPENAPI,
    operation_id = "show_document",
    tag = "Document",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Map<String, serde_json::Value>, content_type = "application/json"))
)]
async fn show(State(document): State<Written>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, KEPT)], Bytes::clone(&document))
}

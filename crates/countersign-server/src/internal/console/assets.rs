//! Style, scripts and icon. They are part of the program: a page loads nothing from elsewhere.

use std::future::ready;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

const STYLE: &str = include_str!("../../../assets/console.css");
const SCRIPT: &str = include_str!("../../../assets/console.js");
const HTMX: &str = include_str!("../../../assets/htmx-4.0.1.min.js");
const ICON: &str = include_str!("../../../assets/icon.svg");

/// A new version of the program may bring new ones under the same names.
const FOR_AN_HOUR: &str = "private, max-age=3600";

pub(super) fn routes() -> Router {
    Router::new()
        .route("/console/assets/console.css", get(|| ready(file("text/css; charset=utf-8", STYLE))))
        .route(
            "/console/assets/console.js",
            get(|| ready(file("text/javascript; charset=utf-8", SCRIPT))),
        )
        .route(
            "/console/assets/htmx.js",
            get(|| ready(file("text/javascript; charset=utf-8", HTMX))),
        )
        .route("/console/assets/icon.svg", get(|| ready(file("image/svg+xml", ICON))))
}

fn file(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, FOR_AN_HOUR)], text)
}

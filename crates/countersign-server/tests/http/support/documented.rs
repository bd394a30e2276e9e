//! Holds every answer that a test sees against the document of its listener.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use countersign_server::openapi::OPENAPI;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use super::{Answer, HOST as INTERNAL};

/// Where documents are found in these tests: some have a prefix.
const PREFIXES: [&str; 3] = ["", "/auth", "/auth/v2"];

/// The documents that were read, by their text: reading them takes the most time.
static READ: LazyLock<Mutex<HashMap<Vec<u8>, Arc<Value>>>> = LazyLock::new(Mutex::default);

/// A listener's document.
pub(crate) async fn document(router: &Router) -> Option<Arc<Value>> {
    for prefix in PREFIXES {
        let request = Request::get(format!("{prefix}{OPENAPI}")).header(HOST, INTERNAL);
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        if response.status() == StatusCode::OK {
            let text = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let mut read = READ.lock().unwrap();
            let read = read.entry(text.to_vec());
            let document = read.or_insert_with(|| Arc::new(serde_json::from_slice(&text).unwrap()));
            return Some(Arc::clone(document));
        }
    }
    None
}

/// What is documented of a call; nothing if there is no such route.
pub(crate) fn operation<'a>(document: &'a Value, method: &Method, path: &str) -> Option<&'a Value> {
    let prefix = document["servers"][0]["url"].as_str().unwrap_or_default();
    let path = path.strip_prefix(prefix)?;
    let paths = document["paths"].as_object().unwrap();
    let fitting = paths.iter().filter(|(template, _)| fits(template, path));
    // The one with the fewest variables is the one that is served.
    let (_, item) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
    item.get(method.as_str().to_ascii_lowercase())
}

fn fits(template: &str, path: &str) -> bool {
    let (parts, given) = (template.split('/'), path.split('/'));
    parts.clone().count() == given.clone().count()
        && parts.zip(given).all(|(part, given)| part == given || part.starts_with('{'))
}

/// Fails if the answer is not what the document says.
pub(crate) async fn check(router: &Router, method: &Method, path: &str, answer: &Answer) {
    let Some(document) = document(router).await else { return };
    let Some(operation) = operation(&document, method, path) else { return };
    let status = answer.status;
    let said = &operation["responses"][status.as_str()];
    assert!(said.is_object(), "{method} {path} answers {status}, which is not documented");
    let said = match said["$ref"].as_str() {
        Some(shared) => document.pointer(shared.trim_start_matches('#')).unwrap(),
        None => said,
    };
    let content = said["content"].as_object();
    if let Some(content_type) = answer.headers.get(CONTENT_TYPE) {
        let content_type = content_type.to_str().unwrap().split(';').next().unwrap();
        let known = |content: &serde_json::Map<String, Value>| {
            content.contains_key(content_type) || content.contains_key("*/*")
        };
        assert!(
            content.is_some_and(known),
            "{method} {path} answers {status} with {content_type}, which is not documented"
        );
    }
}

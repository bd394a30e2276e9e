//! What is said of many operations at once.

use http::HeaderName;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{
    Content, HeaderBuilder, ObjectBuilder, OpenApi, RefOr, Response, ResponseBuilder, Type, schema,
};

/// Every operation of a document.
pub(crate) fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(operations_at)
}

fn operations_at(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    [get, put, post, delete, options, head, patch, trace].into_iter().filter_map(Option::as_mut)
}

/// An answer with a body of this type and schema, or without one.
pub(crate) fn response(
    description: &str,
    body: Option<(&str, impl Into<RefOr<schema::Schema>>)>,
) -> ResponseBuilder {
    let response = ResponseBuilder::new().description(description);
    match body {
        Some((content_type, schema)) => response.content(content_type, Content::new(Some(schema))),
        None => response,
    }
}

/// A header of an answer, a text.
pub(crate) fn header(description: &str) -> utoipa::openapi::Header {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

/// Says which headers the answer of a `GET` has.
pub(crate) fn add_headers<'a>(
    document: &mut OpenApi,
    path: &str,
    status: &str,
    headers: impl IntoIterator<Item = (&'a HeaderName, &'static str)>,
) {
    let operation = document.paths.paths.get_mut(path).and_then(|item| item.get.as_mut());
    let answer = operation.and_then(|operation| operation.responses.responses.get_mut(status));
    if let Some(RefOr::T(answer)) = answer {
        let headers =
            headers.into_iter().map(|(name, text)| (name.to_string(), header(text).into()));
        answer.headers.extend(headers);
    }
}

/// Every answer has the id of its request.
pub(super) fn note_request_ids(document: &mut OpenApi) {
    let inline =
        operations(document).flat_map(|operation| operation.responses.responses.values_mut());
    for response in inline {
        if let RefOr::T(response) = response {
            note_request_id(response);
        }
    }
    let shared = document.components.iter_mut().flat_map(|shared| shared.responses.values_mut());
    for response in shared {
        if let RefOr::T(response) = response {
            note_request_id(response);
        }
    }
}

fn note_request_id(response: &mut Response) {
    let header = header("The request's id, under which the server's log has more.");
    response.headers.insert("X-Request-Id".to_owned(), header.into());
}

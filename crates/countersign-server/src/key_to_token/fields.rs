//! Reads the bodies of calls, with the complaints that `jwthenticator` has about them.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::LengthLimitError;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answers::{empty, json_answer};

/// The largest body, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The members of a body, and what is wrong with them.
pub(super) struct Fields {
    members: Map<String, Value>,
    complaints: Map<String, Value>,
}

/// Reads a body as a JSON object.
///
/// # Errors
/// The answer that says what is wrong.
pub(super) async fn read(request: Request) -> Result<Fields, Response> {
    let (head, body) = request.into_parts();
    if !is_utf8(&head.headers) {
        return Err(empty(StatusCode::BAD_REQUEST));
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await;
    let read = read.map_err(|_| empty(StatusCode::REQUEST_TIMEOUT))?;
    let bytes = read.map_err(|error| match error.into_inner().is::<LengthLimitError>() {
        true => empty(StatusCode::PAYLOAD_TOO_LARGE),
        false => empty(StatusCode::BAD_REQUEST),
    })?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(members)) => Ok(Fields { members, complaints: Map::new() }),
        Ok(_) => Err(complain(&json!({ "_schema": ["Invalid input type."] }))),
        Err(_) => Err(empty(StatusCode::BAD_REQUEST)),
    }
}

impl Fields {
    /// A member that is a text.
    pub(super) fn text(&mut self, name: &str) -> String {
        match self.take(name) {
            // No text of this service has it, and PostgreSQL could not store it.
            Some(Value::String(text)) if text.contains('\0') => {
                self.complain(name, "Null characters are not allowed.");
                String::new()
            }
            Some(Value::String(text)) => text,
            Some(_) => {
                self.complain(name, "Not a valid string.");
                String::new()
            }
            None => String::new(),
        }
    }

    /// A member that is a UUID, in any of the ways to write one.
    pub(super) fn uuid(&mut self, name: &str) -> Uuid {
        let value = match self.take(name) {
            Some(Value::String(text)) => Uuid::try_parse(&text).ok(),
            Some(_) => None,
            None => return Uuid::nil(),
        };
        if value.is_none() {
            self.complain(name, "Not a valid UUID.");
        }
        value.unwrap_or_default()
    }

    /// Complains about a member, unless there is a complaint about it.
    pub(super) fn complain(&mut self, name: &str, complaint: &str) {
        self.complaints.entry(name).or_insert_with(|| json!([complaint]));
    }

    /// Ends the reading: nothing may be left over.
    ///
    /// # Errors
    /// The answer with every complaint, in which case what was read is worth nothing.
    pub(super) fn finish(mut self) -> Result<(), Response> {
        let unknown: Vec<String> = self.members.keys().cloned().collect();
        for name in unknown {
            self.complain(&name, "Unknown field.");
        }
        match self.complaints.is_empty() {
            true => Ok(()),
            false => Err(complain(&Value::Object(self.complaints))),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        match self.members.remove(name) {
            Some(Value::Null) => self.complain(name, "Field may not be null."),
            Some(value) => return Some(value),
            None => self.complain(name, "Missing data for required field."),
        }
        None
    }
}

fn complain(complaints: &Value) -> Response {
    json_answer(StatusCode::BAD_REQUEST, complaints)
}

/// Whether a body claims no other charset than that of JSON (RFC 8259 section 8.1).
/// What kind of body it claims to be does not matter.
fn is_utf8(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return true };
    let Ok(content_type) = content_type.to_str() else { return false };
    let mut parameters = content_type.split(';').skip(1).filter_map(|part| part.split_once('='));
    parameters.all(|(name, value)| {
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8"].iter().any(|utf8| value.eq_ignore_ascii_case(utf8))
    })
}

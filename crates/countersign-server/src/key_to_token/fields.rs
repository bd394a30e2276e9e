//! Reads the bodies of calls, with the complaints that `jwthenticator` has about them.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::LengthLimitError;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answers::{empty, json_answer};

/// The largest body, in bytes. Anybody may send one: as many as are read at the same
/// time must fit into memory. What the members may have needs a third of it.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The members of a body, and what is wrong with them.
pub(super) struct Fields {
    members: Map<String, Value>,
    complaints: Map<String, Value>,
}

/// Why a body cannot be used.
pub(super) enum BadBody {
    /// It is no JSON in UTF-8, or ended early.
    Malformed,
    /// These members are not what they should be.
    Complaints(Map<String, Value>),
    /// It has too many bytes.
    TooLarge,
    /// It took too long.
    TooSlow,
}

impl IntoResponse for BadBody {
    fn into_response(self) -> Response {
        match self {
            Self::Malformed => empty(StatusCode::BAD_REQUEST),
            Self::Complaints(of) => json_answer(StatusCode::BAD_REQUEST, &Value::Object(of)),
            Self::TooLarge => empty(StatusCode::PAYLOAD_TOO_LARGE),
            Self::TooSlow => empty(StatusCode::REQUEST_TIMEOUT),
        }
    }
}

/// Reads the members of a body; no others may be there.
///
/// # Errors
/// [`BadBody`] if they are not what they should be.
pub(super) async fn members<T>(
    request: Request,
    read: impl FnOnce(&mut Fields) -> T,
) -> Result<T, BadBody> {
    let mut fields = self::read(request).await?;
    let members = read(&mut fields);
    fields.finish().map(|()| members)
}

/// Reads a body as a JSON object.
///
/// # Errors
/// [`BadBody`] if it is none.
async fn read(request: Request) -> Result<Fields, BadBody> {
    let (head, body) = request.into_parts();
    if !is_utf8(&head.headers) {
        return Err(BadBody::Malformed);
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await;
    let bytes = read.map_err(|_| BadBody::TooSlow)?.map_err(|error| {
        if error.into_inner().is::<LengthLimitError>() {
            BadBody::TooLarge
        } else {
            BadBody::Malformed
        }
    })?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(members)) => Ok(Fields { members, complaints: Map::new() }),
        Ok(_) => {
            let complaint = ("_schema".to_owned(), json!(["Invalid input type."]));
            Err(BadBody::Complaints(Map::from_iter([complaint])))
        }
        Err(_) => Err(BadBody::Malformed),
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
    /// [`BadBody::Complaints`], in which case what was read is worth nothing.
    pub(super) fn finish(mut self) -> Result<(), BadBody> {
        let unknown: Vec<String> = self.members.keys().cloned().collect();
        for name in unknown {
            self.complain(&name, "Unknown field.");
        }
        if self.complaints.is_empty() { Ok(()) } else { Err(BadBody::Complaints(self.complaints)) }
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

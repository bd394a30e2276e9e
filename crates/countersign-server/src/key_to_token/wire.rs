//! The bodies of these routes, member by member as `jwthenticator` has them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::OpenApi;
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::openapi::{header, operations, response};

/// Whether it is so.
#[derive(Serialize, ToSchema)]
pub(super) struct Outcome {
    /// Always `null`.
    pub(super) message: Option<String>,
    /// Whether it is so.
    pub(super) result: bool,
}

/// An access token, and what buys the next one.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenPair)]
pub(super) struct TokenPair<'a> {
    /// The access token.
    pub(super) jwt: &'a str,
    /// The refresh token; `null` where one was used.
    pub(super) refresh_token: Option<&'a str>,
}

/// Nothing but what the status says.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What is wrong with each member of the body; empty if it is no JSON.
#[derive(ToSchema)]
pub(super) struct Complaints(
    #[expect(dead_code, reason = "describes what `BadBody` answers")] BTreeMap<String, Vec<String>>,
);

/// An API key and whose it is.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what is read member by member, to complain about each")]
pub(super) struct KeyOfIdentifier {
    /// The API key.
    #[schema(min_length = 1, max_length = 1024)]
    key: String,
    /// Whose it is.
    identifier: Uuid,
}

/// A refresh token and whose it is.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what is read member by member, to complain about each")]
pub(super) struct RefreshTokenOfIdentifier {
    /// The refresh token.
    refresh_token: String,
    /// Whose it is.
    identifier: Uuid,
}

/// An access token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what is read member by member, to complain about each")]
pub(super) struct AccessToken {
    /// The access token.
    jwt: String,
}

/// An API key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what is read member by member, to complain about each")]
pub(super) struct Key {
    /// The API key.
    #[schema(min_length = 1, max_length = 1024)]
    key: String,
}

/// Says what the routes answer to a body that will not do, and when they cannot answer.
pub(super) fn refusals(document: &mut OpenApi) {
    for operation in operations(document).filter(|operation| operation.request_body.is_some()) {
        let mut answers = |status: &str, description, schema| {
            let answer = response(description, Some(("application/json", schema)));
            let answer = match status {
                "429" | "503" => {
                    answer.header("Retry-After", header("In how many seconds to try again."))
                }
                _ => answer,
            };
            let responses = &mut operation.responses.responses;
            responses.entry(status.to_owned()).or_insert_with(|| answer.build().into());
        };
        answers("400", "The body is not what it should be.", Complaints::schema());
        answers("408", "The body took too long.", Nothing::schema());
        answers("413", "The body has more than 64 KiB.", Nothing::schema());
        answers("429", "Too many, from this client or with this credential.", Nothing::schema());
        answers("503", "Try again; this may also come without a body.", Nothing::schema());
    }
}

//! What calls of the administration may be answered besides what they ask for.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{IntoResponses, PartialSchema as _, ToSchema as _};

use super::problems::Kind;
use crate::api::{PROBLEM_CONTENT_TYPE, Problem};
use crate::openapi::{header, operations, response};

/// The name of the one way to be let in.
const SIGNED_REQUEST: &str = "signed_request";

const DESCRIPTION: &str = "\
The administration API. Every call but those of the tags Document, Health, Instance and \
Registration is a signed request by an account in the group `admin`, made for this one call. \
Instants are RFC 3339 in UTC. Bodies are read strictly: a member that is not known is an error. \
Where a path or a method is not known, a caller without a right credential gets the 401 of all \
others; an administrator gets 404 `no-such-route` or 405 `method-not-allowed`.";

const SCHEME: &str = "\
The configured scheme word (`JWT` unless changed) and a token that is good for one call: besides \
`username`, `time` and `nonce` it has the claims `aud` (the instance's id), `htm` (the method), \
`htu` (the URI as it is sent, with its query) and `body_sha256` (base64url, without padding).";

/// Sets of kinds that a route adds to what all have.
macro_rules! problems {
    ($($name:ident = $($kind:ident),+;)*) => {
        $(pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                by_status(&[$(Kind::$kind),+])
            }
        })*
    };
}

problems! {
    OfAccount = NoSuchAccount;
    CreateAccount = AccountExists;
    ChangeAccount = NoSuchAccount, LastAdmin;
    AddPublicKey = NoSuchAccount, KeyRevoked, TooMany, UnacceptableKey;
    ChangePublicKey = NoSuchKey, KeyRevoked, LastAdmin;
    RevokePublicKey = NoSuchKey, LastAdmin;
    AddJwksEndpoint = NoSuchAccount, TooMany, UnacceptableUrl;
    RemoveJwksEndpoint = NoSuchJwksEndpoint, LastAdmin;
    CreateApiKey = NoSuchAccount, KeyExists, TooMany;
    ChangeApiKey = NoSuchKey, KeyRevoked;
    RevokeApiKey = NoSuchKey;
    ImportSigningKey = KeyExists, UnacceptableKey;
    RotateSigningKeys = NotYet;
    RetireSigningKey = NoSuchKey, KeyActive;
}

/// The document of the internal listener, without its routes.
pub(super) fn empty() -> OpenApi {
    let mut document =
        crate::openapi::empty("Countersign administration", env!("CARGO_PKG_VERSION"), DESCRIPTION);
    let mut shared = Components::new();
    shared.schemas.insert(Problem::name().into_owned(), Problem::schema());
    for kinds in [GUARDED, EVERYWHERE].concat() {
        shared.responses.insert(shared_name(kinds), said(kinds).into());
    }
    let header = ApiKeyValue::with_description("Authorization", SCHEME);
    shared.add_security_scheme(SIGNED_REQUEST, SecurityScheme::ApiKey(ApiKey::Header(header)));
    document.components = Some(shared);
    document
}

/// What stands before every route that is guarded, and those that do not exist.
const GUARDED: &[&[Kind]] = &[
    &[Kind::InvalidRequest],
    &[Kind::Unauthenticated],
    &[Kind::NotAnAdministrator, Kind::HostNotAllowed, Kind::OtherSite],
    &[Kind::TooSlow],
    &[Kind::BodyTooLarge],
    &[Kind::NotJson],
    &[Kind::TooManyCalls],
];

/// What every route may answer.
const EVERYWHERE: &[&[Kind]] =
    &[&[Kind::HostNotAllowed, Kind::OtherSite], &[Kind::Internal], &[Kind::Unavailable]];

/// Says of these routes that they are behind the gatekeeper.
pub(super) fn guard(document: &mut OpenApi) {
    for operation in operations(document) {
        let security = SecurityRequirement::new(SIGNED_REQUEST, [""; 0]);
        operation.security = Some(vec![security]);
        let has_body = operation.request_body.is_some();
        for kinds in GUARDED.iter().filter(|kinds| has_body || kinds[0] != Kind::NotJson) {
            add(&mut operation.responses.responses, kinds);
        }
    }
}

/// Says what holds for all routes of the listener.
pub(super) fn everywhere(document: &mut OpenApi) {
    for operation in operations(document) {
        for kinds in EVERYWHERE {
            add(&mut operation.responses.responses, kinds);
        }
    }
}

fn add(responses: &mut BTreeMap<String, RefOr<Response>>, kinds: &[Kind]) {
    let shared = Ref::from_response_name(shared_name(kinds));
    responses.entry(status(kinds)).or_insert(shared.into());
}

fn by_status(kinds: &[Kind]) -> BTreeMap<String, RefOr<Response>> {
    let mut sorted = BTreeMap::<_, Vec<Kind>>::new();
    for kind in kinds {
        sorted.entry(status(&[*kind])).or_default().push(*kind);
    }
    sorted.into_iter().map(|(status, kinds)| (status, said(&kinds).into())).collect()
}

fn status(kinds: &[Kind]) -> String {
    kinds[0].status().as_str().to_owned()
}

fn shared_name(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.code()).collect::<Vec<_>>().join("-or-")
}

/// The answer that is a problem of one of these kinds, all of one status.
fn said(kinds: &[Kind]) -> Response {
    let description: Vec<_> =
        kinds.iter().map(|kind| format!("{}: `{}`.", kind.title(), kind.code())).collect();
    let urns = kinds.iter().map(|kind| kind.urn());
    let kind = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(urns));
    let status = kinds[0].status().as_u16();
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name(Problem::name()))
        .item(ObjectBuilder::new().property("type", kind))
        .examples([json!(kinds[0].problem("what happened this time, and what to do"))]);
    let said = response(
        &description.join(" "),
        Some((PROBLEM_CONTENT_TYPE, Schema::from(schema.build()))),
    );
    with_headers(said, status).build()
}

fn with_headers(response: ResponseBuilder, status: u16) -> ResponseBuilder {
    match status {
        401 => response.header("WWW-Authenticate", header("The scheme word.")),
        503 => response.header("Retry-After", header("In how many seconds to try again.")),
        _ => response,
    }
}

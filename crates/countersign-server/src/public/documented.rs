//! The document of the public listener.

use http::HeaderName;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, ObjectBuilder, OpenApi, PathItem, Required, Response, ServerBuilder, Type,
};

use super::{AUTH_REQUEST, EXT_AUTHZ, FORWARD_AUTH, UrlPrefix};
use crate::openapi::{header, operations, response};
use countersign_core::IdentityHeaders;

/// The name of signed requests.
const SIGNED_REQUEST: &str = "signed_request";
/// The name of access tokens.
const ACCESS_TOKEN: &str = "access_token";

/// Of the document. The release is not said: it is nobody's business out there.
const VERSION: &str = "1";

const DESCRIPTION: &str = "\
What gateways ask before they let a request through, and where callers get their tokens. A token \
of a signed request is good once: a gateway must not ask a second time for one request.";

const SCHEME: &str = "\
The configured scheme word (`JWT` unless changed) and a token that the caller signed for this \
one request, with the claims `username`, `time` and `nonce`.";

/// The methods that a document can name; others work too.
const METHODS: [HttpMethod; 8] = [
    HttpMethod::Get,
    HttpMethod::Put,
    HttpMethod::Post,
    HttpMethod::Delete,
    HttpMethod::Options,
    HttpMethod::Head,
    HttpMethod::Patch,
    HttpMethod::Trace,
];

/// The document of the listener, without its routes.
pub(super) fn empty(url_prefix: &UrlPrefix, has_tokens: bool) -> OpenApi {
    let mut document = crate::openapi::empty("Countersign", VERSION, DESCRIPTION);
    let mut shared = Components::new();
    let header = ApiKeyValue::with_description("Authorization", SCHEME);
    shared.add_security_scheme(SIGNED_REQUEST, SecurityScheme::ApiKey(ApiKey::Header(header)));
    if has_tokens {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        shared.add_security_scheme(ACCESS_TOKEN, SecurityScheme::Http(bearer));
    }
    document.components = Some(shared);
    // The paths themselves are the same wherever the listener is mounted.
    let url_prefix = url_prefix.to_string();
    if !url_prefix.is_empty() {
        document.servers = Some(vec![ServerBuilder::new().url(url_prefix).build()]);
    }
    document
}

/// The endpoints that gateways ask, whose answers have the configured headers.
pub(super) fn gateways(headers: &IdentityHeaders, has_tokens: bool) -> OpenApi {
    let mut document = crate::openapi::empty("", VERSION, "");
    let original = ParameterBuilder::new()
        .name("original")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The path of the original request, with all its slashes."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build();
    for (path, name, original) in [
        (FORWARD_AUTH.to_owned(), "forward_auth", None),
        (format!("{FORWARD_AUTH}/{{original}}"), "forward_auth_of_path", Some(&original)),
        (AUTH_REQUEST.to_owned(), "auth_request", None),
        (EXT_AUTHZ.to_owned(), "ext_authz", None),
        (format!("{EXT_AUTHZ}/{{original}}"), "ext_authz_of_path", Some(&original)),
    ] {
        let mut item = PathItem::default();
        for method in METHODS {
            let id = format!("{name}_{}", method_name(&method));
            let operation = operation(headers, has_tokens).operation_id(Some(id));
            let operation = match original {
                Some(original) => operation.parameter(original.clone()),
                None => operation,
            };
            item.merge_operations(PathItem::new(method, operation));
        }
        document.paths.paths.insert(path, item);
    }
    document
}

fn operation(headers: &IdentityHeaders, has_tokens: bool) -> OperationBuilder {
    let mut credentials = vec![SecurityRequirement::new(SIGNED_REQUEST, [""; 0])];
    if has_tokens {
        credentials.push(SecurityRequirement::new(ACCESS_TOKEN, [""; 0]));
    }
    let challenge = ("WWW-Authenticate", "What would be accepted.");
    let again = ("Retry-After", "In how many seconds to try again; the token was not spent.");
    let retry = ("Retry-After", "In how many seconds to try again, with a fresh token.");
    OperationBuilder::new()
        .tag("Gateways")
        .summary(Some("Who is this caller?"))
        .description(Some(
            "Without rules only the credential counts. With rules the original method, host and path \
             do, too: from `X-Forwarded-Method`, `-Host` and `-Uri` at `/forward-auth`, from \
             `X-Original-Method`, `-Host` and `-URI` at `/auth-request`, and from the request itself \
             at `/ext-authz`.",
        ))
        .securities(Some(credentials))
        .response(
            "200",
            answer(
                "Let the request through, with these headers instead of the caller's.",
                headers,
                None,
            ),
        )
        .response(
            "401",
            answer(
                "Refuse it. The identity headers are there, and empty.",
                headers,
                Some(challenge),
            ),
        )
        .response(
            "403",
            answer("By the rules, nobody or not this caller may.", headers, None),
        )
        .response(
            "429",
            answer("Too many, from this client or with this credential.", headers, Some(again)),
        )
        .response("503", answer("Nobody can be let through at the moment.", headers, Some(retry)))
}

fn answer(description: &str, headers: &IdentityHeaders, more: Option<(&str, &str)>) -> Response {
    let mut answer = response(description, None::<(&str, Schema)>);
    for (name, text) in headers.described() {
        answer = answer.header(HeaderName::as_str(name), header(text));
    }
    if let Some((name, text)) = more {
        answer = answer.header(name, header(text));
    }
    answer.build()
}

/// Says what holds for all routes of the listener.
pub(super) fn everywhere(document: &mut OpenApi) {
    for operation in operations(document) {
        let responses = &mut operation.responses.responses;
        let defect = || response("A defect; the log says where.", None::<(&str, Schema)>).build();
        responses.entry("500".to_owned()).or_insert_with(|| defect().into());
        let retry = header("In how many seconds to try again.");
        let busy = response("Try again.", None::<(&str, Schema)>).header("Retry-After", retry);
        responses.entry("503".to_owned()).or_insert_with(|| busy.build().into());
    }
}

fn method_name(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "get",
        HttpMethod::Put => "put",
        HttpMethod::Post => "post",
        HttpMethod::Delete => "delete",
        HttpMethod::Options => "options",
        HttpMethod::Head => "head",
        HttpMethod::Patch => "patch",
        HttpMethod::Trace => "trace",
    }
}

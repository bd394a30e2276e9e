//! Where the pages are: patterns of routes, and the paths of single pages.

use countersign_core::{AccountName, ApiKeyId};
use url::form_urlencoded::Serializer;

use crate::api::routes::segment;

pub(in crate::internal) const HOME: &str = "/console";
pub(super) const HOME_WITH_SLASH: &str = "/console/";
pub(super) const SIGN_IN: &str = "/console/sign-in";
pub(super) const SIGN_OUT: &str = "/console/sign-out";
pub(super) const ACCOUNTS: &str = "/console/accounts";
pub(super) const ACCOUNT: &str = "/console/accounts/{name}";
pub(super) const CHANGE_ACCOUNT: &str = "/console/accounts/{name}/change";
pub(super) const DELETE_ACCOUNT: &str = "/console/accounts/{name}/delete";
pub(super) const CHECK_KEY: &str = "/console/accounts/{name}/keys/check";
pub(super) const ADD_KEY: &str = "/console/accounts/{name}/keys";
pub(super) const REVOKE_KEY: &str = "/console/accounts/{name}/keys/{fingerprint}/revoke";
pub(super) const ADD_ENDPOINT: &str = "/console/accounts/{name}/jwks-endpoints";
pub(super) const REMOVE_ENDPOINT: &str = "/console/accounts/{name}/jwks-endpoints/remove";
pub(super) const CREATE_API_KEY: &str = "/console/accounts/{name}/api-keys";
pub(super) const REVOKE_API_KEY: &str = "/console/accounts/{name}/api-keys/{id}/revoke";
pub(super) const SIGNING_KEYS: &str = "/console/signing-keys";
pub(super) const ROTATE_SIGNING_KEYS: &str = "/console/signing-keys/rotate";
pub(super) const SIGNING_KEY_PEM: &str = "/console/signing-keys/pem";
pub(super) const REFUSALS: &str = "/console/refusals";
pub(super) const AUDIT: &str = "/console/audit";
pub(super) const AUDIT_EXPORT: &str = "/console/audit.jsonl";
pub(super) const ANYTHING: &str = "/console/{*rest}";

/// Whether a path is the console's or below it.
pub(super) fn is_of_the_console(path: &str) -> bool {
    path.strip_prefix(HOME).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn account(name: &AccountName) -> String {
    format!("{ACCOUNTS}/{}", segment(name.as_str()))
}

pub(super) fn revoke_key(account: &AccountName, fingerprint: &str) -> String {
    format!("{}/keys/{}/revoke", self::account(account), segment(fingerprint))
}

pub(super) fn revoke_api_key(account: &AccountName, id: ApiKeyId) -> String {
    format!("{}/api-keys/{id}/revoke", self::account(account))
}

/// A path with a query; a value that is empty is left out.
pub(super) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

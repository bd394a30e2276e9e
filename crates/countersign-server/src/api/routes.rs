//! Where everything is.
//!
//! The constants are the server's route patterns; the functions build the path
//! (and query) a client asks for, with every name percent-encoded down to the
//! unreserved characters of RFC 3986 section 2.3.

use std::fmt;

use countersign_core::{AccountName, ApiKeyId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded::Serializer;
use uuid::Uuid;

use super::{AccountsQuery, AuditQuery};

/// What every path of the administration begins with.
pub(crate) const PREFIX: &str = "/v1/";
/// `GET`: which server this is; the one call without a credential.
pub const INSTANCE: &str = "/v1/instance";
/// `GET`, `POST`: the accounts.
pub const ACCOUNTS: &str = "/v1/accounts";
/// `GET`, `PATCH`, `DELETE`: one account.
pub const ACCOUNT: &str = "/v1/accounts/{name}";
/// `GET`, `POST`: an account's public keys.
pub const KEYS: &str = "/v1/accounts/{name}/keys";
/// `PATCH`: one key.
pub const KEY: &str = "/v1/accounts/{name}/keys/{fingerprint}";
/// `POST`: withdraws a key for good.
pub const REVOKE_KEY: &str = "/v1/accounts/{name}/keys/{fingerprint}/revoke";
/// `GET`, `POST`, `DELETE` with `?url=`: an account's JWKS endpoints.
pub const JWKS_ENDPOINTS: &str = "/v1/accounts/{name}/jwks-endpoints";
/// `POST`: refuses every access token of an account that was issued so far.
pub const REVOKE_TOKENS: &str = "/v1/accounts/{name}/revoke-tokens";
/// `GET`, `POST`: an account's API keys.
pub const API_KEYS: &str = "/v1/accounts/{name}/api-keys";
/// `PATCH`: one API key.
pub const API_KEY: &str = "/v1/accounts/{name}/api-keys/{id}";
/// `POST`: withdraws an API key for good.
pub const REVOKE_API_KEY: &str = "/v1/accounts/{name}/api-keys/{id}/revoke";
/// `POST`: refuses one access token.
pub const REVOKE_TOKEN: &str = "/v1/tokens/{id}/revoke";
/// `GET`, `POST`: the signing keys.
pub const SIGNING_KEYS: &str = "/v1/signing-keys";
/// `POST`: lets the next one sign.
pub const ROTATE_SIGNING_KEYS: &str = "/v1/signing-keys/rotate";
/// `POST`: lets one go at once. The `kid` is in the query: some have slashes.
pub const RETIRE_SIGNING_KEY: &str = "/v1/signing-keys/retire";
/// `GET`: what the server finds when it looks at itself.
pub const SELF_REPORT: &str = "/v1/self-report";
/// `GET`: what is not well with the server; without a credential, as none may be accepted.
pub const HEALTH_REPORT: &str = "/health/report";
/// `GET`: the audit trail.
pub const AUDIT: &str = "/v1/audit";

/// `POST`: makes a link into the console.
pub const CONSOLE_LINKS: &str = "/v1/console-links";

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The accounts that a query shows.
pub fn accounts(query: &AccountsQuery) -> String {
    with_query(ACCOUNTS, |pairs| {
        append(pairs, "after", query.after.as_ref());
        append(pairs, "limit", query.limit.as_ref());
        append(pairs, "group", query.group.as_ref());
        append(pairs, "name_contains", query.name_contains.as_ref());
        append(pairs, "key_expires_after", query.key_expires_after.as_ref());
        append(pairs, "key_expires_before", query.key_expires_before.as_ref());
    })
}

/// One account.
pub fn account(name: &AccountName) -> String {
    format!("{ACCOUNTS}/{}", segment(name.as_str()))
}

/// An account's public keys.
pub fn keys(account: &AccountName) -> String {
    format!("{}/keys", self::account(account))
}

/// One key, by any of its fingerprints.
pub fn key(account: &AccountName, fingerprint: &str) -> String {
    format!("{}/{}", keys(account), segment(fingerprint))
}

/// Withdraws a key for good.
pub fn revoke_key(account: &AccountName, fingerprint: &str) -> String {
    format!("{}/revoke", key(account, fingerprint))
}

/// An account's JWKS endpoints.
pub fn jwks_endpoints(account: &AccountName) -> String {
    format!("{}/jwks-endpoints", self::account(account))
}

/// One JWKS endpoint, to be removed.
pub fn jwks_endpoint(account: &AccountName, url: &str) -> String {
    with_query(&jwks_endpoints(account), |pairs| append(pairs, "url", Some(&url)))
}

/// Refuses every access token of an account that was issued so far.
pub fn revoke_tokens(account: &AccountName) -> String {
    format!("{}/revoke-tokens", self::account(account))
}

/// An account's API keys.
pub fn api_keys(account: &AccountName) -> String {
    format!("{}/api-keys", self::account(account))
}

/// One API key.
pub fn api_key(account: &AccountName, id: ApiKeyId) -> String {
    format!("{}/{id}", api_keys(account))
}

/// Withdraws an API key for good.
pub fn revoke_api_key(account: &AccountName, id: ApiKeyId) -> String {
    format!("{}/revoke", api_key(account, id))
}

/// Refuses one access token.
pub fn revoke_token(token_id: Uuid) -> String {
    format!("/v1/tokens/{token_id}/revoke")
}

/// Lets a signing key go at once.
pub fn retire_signing_key(kid: &str) -> String {
    with_query(RETIRE_SIGNING_KEY, |pairs| append(pairs, "kid", Some(&kid)))
}

/// The stretch of the audit trail that a query shows.
pub fn audit(query: &AuditQuery) -> String {
    with_query(AUDIT, |pairs| {
        append(pairs, "after", query.after.as_ref());
        append(pairs, "limit", query.limit.as_ref());
        append(pairs, "actor", query.actor.as_ref());
        append(pairs, "action", query.action.as_ref());
        append(pairs, "target", query.target.as_ref());
        append(pairs, "since", query.since.as_ref());
        append(pairs, "order", query.order.as_ref());
    })
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, SEGMENT)
}

fn with_query(path: &str, fill: impl FnOnce(&mut Serializer<'_, String>)) -> String {
    let mut pairs = Serializer::new(String::new());
    fill(&mut pairs);
    match pairs.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

fn append(pairs: &mut Serializer<'_, String>, name: &str, value: Option<&impl ToString>) {
    if let Some(value) = value {
        pairs.append_pair(name, &value.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_segment() {
        let name = AccountName::new("a/b?c#d%20 ü+~").unwrap();
        assert_eq!(account(&name), "/v1/accounts/a%2Fb%3Fc%23d%2520%20%C3%BC%2B~");
        assert_eq!(
            revoke_key(&AccountName::new("x").unwrap(), "SHA256:a/b+c"),
            "/v1/accounts/x/keys/SHA256%3Aa%2Fb%2Bc/revoke"
        );
    }

    #[test]
    fn queries_carry_only_what_is_asked() {
        assert_eq!(accounts(&AccountsQuery::default()), "/v1/accounts");
        let query = AccountsQuery {
            after: Some(AccountName::new("m & m").unwrap()),
            limit: Some(7),
            name_contains: Some("ü".into()),
            ..AccountsQuery::default()
        };
        assert_eq!(accounts(&query), "/v1/accounts?after=m+%26+m&limit=7&name_contains=%C3%BC");
        assert_eq!(
            audit(&AuditQuery { after: Some(3), ..AuditQuery::default() }),
            "/v1/audit?after=3"
        );
        assert_eq!(
            jwks_endpoint(&AccountName::new("x").unwrap(), "https://a.example/k?x=1"),
            "/v1/accounts/x/jwks-endpoints?url=https%3A%2F%2Fa.example%2Fk%3Fx%3D1"
        );
    }
}

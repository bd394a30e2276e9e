//! The headers that tell an upstream who the caller is.

use std::borrow::Cow;
use std::collections::HashSet;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::identity::{Identity, Method};
use crate::names::{AccountId, AccountName, GroupName};
use crate::ports::Credential;

/// What is encoded in an account's name: control characters, every byte that is
/// not ASCII, and `%` itself, without which `gr%C3%BC` and `grü` would become
/// one name. Upstreams decode once.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

const EMPTY: HeaderValue = HeaderValue::from_static("");

/// The names of the identity headers.
///
/// Every answer of the gateway endpoint sets each of them exactly once, empty
/// where there is nothing to say: a gateway that copies them over the client's
/// request overwrites whatever the client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// The account's name, its non-ASCII bytes and `%` percent-encoded.
    pub account: HeaderName,
    /// The account's UUID.
    pub account_id: HeaderName,
    /// The account's groups, joined with commas.
    pub groups: HeaderName,
    /// How the caller proved itself, for example `signed-request`.
    pub method: HeaderName,
    /// What proved it: the fingerprint (OpenSSH's) of a public key, the id of an API key
    /// or of an access token.
    pub credential: HeaderName,
    /// The identifier that the holder of an access token claims, for routing; else empty.
    pub identifier: HeaderName,
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            account: HeaderName::from_static("x-auth-account"),
            account_id: HeaderName::from_static("x-auth-account-id"),
            groups: HeaderName::from_static("x-auth-groups"),
            method: HeaderName::from_static("x-auth-method"),
            credential: HeaderName::from_static("x-auth-credential"),
            identifier: HeaderName::from_static("x-auth-identifier"),
        }
    }
}

/// The identity headers' names would not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityHeadersError {
    /// Two headers have one name.
    #[error("two identity headers have the name `{0}`: give each its own")]
    Repeated(HeaderName),
    /// The name means something to HTTP or to this service.
    #[error(
        "`{0}` cannot be an identity header, it has a meaning of its own: use a name that begins with `x-`"
    )]
    Reserved(HeaderName),
}

impl IdentityHeaders {
    /// Checks that the names differ and mean nothing else.
    ///
    /// # Errors
    /// [`IdentityHeadersError`] names the header that will not do.
    pub fn check(&self) -> Result<(), IdentityHeadersError> {
        use http::header;
        let reserved = [
            header::AUTHORIZATION,
            header::CACHE_CONTROL,
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::DATE,
            header::RETRY_AFTER,
            header::TE,
            header::TRAILER,
            header::TRANSFER_ENCODING,
            header::UPGRADE,
            header::WWW_AUTHENTICATE,
            HeaderName::from_static("x-request-id"),
        ];
        let mut seen = HashSet::new();
        for name in self.names() {
            if reserved.contains(name) {
                return Err(IdentityHeadersError::Reserved(name.clone()));
            }
            if !seen.insert(name) {
                return Err(IdentityHeadersError::Repeated(name.clone()));
            }
        }
        Ok(())
    }

    /// Says who the caller is.
    pub fn say(&self, identity: &Identity, headers: &mut HeaderMap) {
        headers.insert(self.account.clone(), account(identity.account()));
        headers.insert(self.account_id.clone(), identity.account_id().map_or(EMPTY, account_id));
        headers.insert(self.groups.clone(), groups(identity.groups()));
        headers.insert(self.method.clone(), method(identity.method()));
        headers.insert(self.credential.clone(), identity.credential().map_or(EMPTY, credential));
        let identifier = identity.claimed_identifier().map_or(EMPTY, uuid);
        headers.insert(self.identifier.clone(), identifier);
    }

    /// Says that the caller is nobody.
    pub fn say_nobody(&self, headers: &mut HeaderMap) {
        for name in self.names() {
            headers.insert(name.clone(), EMPTY);
        }
    }

    /// Takes away what a client sent, so that nobody passes for another: also in the
    /// spellings that CGI, WSGI and their like take for the same name (`X_Auth_Account`),
    /// and what would have a proxy behind drop these headers (`Connection`, RFC 9110
    /// section 7.6.1).
    pub fn strip(&self, headers: &mut HeaderMap) {
        for name in self.names() {
            headers.remove(name);
        }
        let aliases: Vec<_> = self.aliases(headers).cloned().collect();
        for alias in aliases {
            headers.remove(alias);
        }
        let names_ours = |value: &HeaderValue| {
            let text = value.to_str().unwrap_or_default();
            let mut options = text.split(',').map(str::trim);
            options.any(|option| self.names().iter().any(|name| *name == option))
        };
        if headers.get_all(CONNECTION).iter().any(names_ours) {
            headers.remove(CONNECTION);
        }
    }

    /// The names among these that CGI, WSGI and their like take for one of ours, and that
    /// are spelled otherwise.
    pub fn aliases<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a HeaderName> {
        headers.keys().filter(|name| {
            name.as_str().contains('_') && self.names().iter().any(|own| are_alike(own, name))
        })
    }

    /// The headers, and what each says.
    pub fn described(&self) -> [(&HeaderName, &'static str); 6] {
        [
            (&self.account, "The account's name; `%` and what is not ASCII is percent-encoded."),
            (&self.account_id, "The account's id."),
            (&self.groups, "Its groups, joined with commas."),
            (&self.method, "How the caller proved itself: `signed-request` or `access-token`."),
            (&self.credential, "The fingerprint of the key, or the id of the access token."),
            (&self.identifier, "The identifier that the holder of an access token claims."),
        ]
    }

    fn names(&self) -> [&HeaderName; 6] {
        [
            &self.account,
            &self.account_id,
            &self.groups,
            &self.method,
            &self.credential,
            &self.identifier,
        ]
    }
}

/// Whether programs that read `-` and `_` as one take these names for one.
fn are_alike(own: &HeaderName, name: &HeaderName) -> bool {
    let folded = |byte: u8| if byte == b'_' { b'-' } else { byte };
    own.as_str().bytes().map(folded).eq(name.as_str().bytes().map(folded))
}

fn account(name: &AccountName) -> HeaderValue {
    ascii(Cow::from(utf8_percent_encode(name.as_str(), ENCODED)).into_owned())
}

fn account_id(id: AccountId) -> HeaderValue {
    uuid(id.0)
}

fn credential(credential: &Credential) -> HeaderValue {
    match credential {
        Credential::PublicKey(key) => ascii(key.fingerprints().openssh()),
        Credential::ApiKey(id) => uuid(id.0),
        Credential::AccessToken(id) => uuid(*id),
    }
}

fn uuid(id: Uuid) -> HeaderValue {
    let mut text = [0; Hyphenated::LENGTH];
    ascii(id.hyphenated().encode_lower(&mut text).to_owned())
}

fn groups(groups: &[GroupName]) -> HeaderValue {
    let mut joined = String::with_capacity(groups.iter().map(|g| g.as_str().len() + 1).sum());
    for group in groups {
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(group.as_str());
    }
    ascii(joined)
}

fn method(method: Method) -> HeaderValue {
    match method {
        Method::SignedRequest => HeaderValue::from_static("signed-request"),
        Method::AccessToken => HeaderValue::from_static("access-token"),
        Method::ApiKey => HeaderValue::from_static("api-key"),
        Method::BearerToken => HeaderValue::from_static("bearer-token"),
    }
}

fn ascii(text: String) -> HeaderValue {
    // Unwrap safety: the callers give printable ASCII: names are encoded, groups
    // and the rest have a narrow alphabet.
    HeaderValue::try_from(text).expect("printable ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_names_are_encoded_without_ambiguity() {
        let encoded = |name: &str| account(&AccountName::new(name).unwrap());
        assert_eq!(encoded("billing-worker 7,\"x\""), "billing-worker 7,\"x\"");
        assert_eq!(encoded("grü"), "gr%C3%BC");
        assert_eq!(encoded("gr%C3%BC"), "gr%25C3%25BC");
        assert_eq!(encoded("東京"), "%E6%9D%B1%E4%BA%AC");
    }

    #[test]
    fn groups_are_joined() {
        let groups = |names: &[&str]| {
            super::groups(&names.iter().map(|n| GroupName::new(n).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(groups(&[]), "");
        assert_eq!(groups(&["a"]), "a");
        assert_eq!(groups(&["a", "b:c"]), "a,b:c");
    }

    #[test]
    fn no_spelling_of_a_name_is_left() {
        let mut headers = HeaderMap::new();
        for name in ["x-auth-account", "x_auth_account", "x-auth_groups", "x_auth-account_id"] {
            headers.insert(name, HeaderValue::from_static("admin"));
        }
        headers.append(CONNECTION, HeaderValue::from_static("close, X-Auth-Groups"));
        headers.insert("x_other", HeaderValue::from_static("kept"));
        headers.insert("x-auth", HeaderValue::from_static("kept"));
        IdentityHeaders::default().strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["x-auth", "x_other"]);
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, x-other"));
        IdentityHeaders::default().strip(&mut headers);
        assert!(headers.contains_key(CONNECTION));
    }

    #[test]
    fn names_that_clash_are_refused() {
        assert_eq!(IdentityHeaders::default().check(), Ok(()));
        let repeated = IdentityHeaders {
            groups: HeaderName::from_static("x-auth-account"),
            ..IdentityHeaders::default()
        };
        assert!(matches!(repeated.check(), Err(IdentityHeadersError::Repeated(_))));
        let reserved =
            IdentityHeaders { groups: http::header::CONTENT_LENGTH, ..IdentityHeaders::default() };
        assert!(matches!(reserved.check(), Err(IdentityHeadersError::Reserved(_))));
    }
}

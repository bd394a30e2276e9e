//! Who a gateway says the caller is, read from the headers it sets.

use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use crate::identity_headers::IdentityHeaders;
use crate::names::{AccountId, AccountName, GroupName, MAX_GROUPS};

/// A caller as the gateway in front of a service reports it.
///
/// Nothing here is proved to the service itself: it is as true as the service is out of
/// reach for everyone but the gateway. So it is no [`Identity`](crate::Identity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedIdentity {
    account: AccountName,
    account_id: Option<AccountId>,
    groups: Vec<GroupName>,
    method: String,
    credential: Option<String>,
    identifier: Option<Uuid>,
}

/// An identity header that no gateway of ours sets so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity header `{0}` is malformed, or there twice")]
pub struct IdentityHeaderMalformed(pub HeaderName);

impl IdentityHeaders {
    /// Reads who the caller is out of what a gateway set; `None` if it is nobody.
    ///
    /// For services that **only** the gateway can reach: whoever else can send a request
    /// can be anyone.
    ///
    /// ```
    /// use countersign_core::IdentityHeaders;
    ///
    /// let mut headers = http::HeaderMap::new();
    /// headers.insert("x-auth-account", "gr%C3%BC".parse()?);
    /// headers.insert("x-auth-groups", "billing,ops".parse()?);
    ///
    /// let caller = IdentityHeaders::default().read(&headers)?.expect("somebody");
    /// assert_eq!(caller.account().as_str(), "grü");
    /// assert!(caller.is_in("ops"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`IdentityHeaderMalformed`] if a header is there twice, which is how two
    /// writers of it look, or says what cannot be.
    pub fn read(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<ReportedIdentity>, IdentityHeaderMalformed> {
        // Each is read before it is known whether there is an account: what is wrong is
        // wrong also where nobody is named.
        let account = read(headers, &self.account, account)?;
        let account_id = read(headers, &self.account_id, |text| text.parse().ok().map(AccountId))?;
        let groups = read(headers, &self.groups, groups)?;
        let method = read(headers, &self.method, |text| Some(text.to_owned()))?;
        let credential = read(headers, &self.credential, |text| Some(text.to_owned()))?;
        let identifier = read(headers, &self.identifier, |text| text.parse().ok())?;
        Ok(account.map(|account| ReportedIdentity {
            account,
            account_id,
            groups: groups.unwrap_or_default(),
            method: method.unwrap_or_default(),
            credential,
            identifier,
        }))
    }
}

impl ReportedIdentity {
    /// The account's name.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// Its id, if it is one that Countersign keeps.
    pub fn account_id(&self) -> Option<AccountId> {
        self.account_id
    }

    /// The groups it is in.
    pub fn groups(&self) -> &[GroupName] {
        &self.groups
    }

    /// Whether it is in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|found| found.as_str() == group)
    }

    /// How the caller proved itself to the gateway, as [`Method`](crate::Method) is
    /// written; empty if that is not said.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What proved it: the fingerprint of a key, or the id of an API key or of an access
    /// token.
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// The identifier that the holder of an access token claims, for routing.
    pub fn claimed_identifier(&self) -> Option<Uuid> {
        self.identifier
    }
}

/// A header's value; one that is empty is as if it were not there, since some gateways
/// cannot leave a header out and others leave out the empty ones.
fn read<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    meaning: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, IdentityHeaderMalformed> {
    let malformed = || IdentityHeaderMalformed(name.clone());
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed());
    }
    let text = value.to_str().map_err(|_| malformed())?;
    if text.is_empty() {
        return Ok(None);
    }
    meaning(text).map(Some).ok_or_else(malformed)
}

fn account(encoded: &str) -> Option<AccountName> {
    AccountName::new(&percent_decode_str(encoded).decode_utf8().ok()?).ok()
}

fn groups(joined: &str) -> Option<Vec<GroupName>> {
    if joined.split(',').count() > MAX_GROUPS {
        return None;
    }
    joined.split(',').map(|name| GroupName::new(name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::{Identity, Method};
    use crate::key::{KeyKind, PrivateKey};
    use crate::ports::{AccountKeys, Credential};

    fn read(headers: &[(&'static str, &str)]) -> Result<Option<ReportedIdentity>, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let read = IdentityHeaders::default().read(&map);
        read.map_err(|IdentityHeaderMalformed(name)| name.to_string())
    }

    #[test]
    fn what_is_said_is_read() {
        let key = PrivateKey::generate(KeyKind::P256).unwrap().public_key().clone();
        let account = AccountKeys {
            id: AccountId(Uuid::from_u128(7)),
            name: AccountName::new("grü %2C, 7").unwrap(),
            groups: Arc::from(["a", "b:c"].map(|name| GroupName::new(name).unwrap())),
            disabled: false,
            keys: Vec::new(),
            api_keys: Vec::new(),
            tokens_revoked_at: None,
        };
        let identity = Identity::proved(&account, Credential::PublicKey(key.clone()))
            .with_identifier(Uuid::from_u128(8));
        let mut headers = HeaderMap::new();
        let names = IdentityHeaders::default();
        names.say(&identity, &mut headers);
        let read = names.read(&headers).unwrap().unwrap();
        assert_eq!(read.account(), identity.account());
        assert_eq!(read.account_id(), identity.account_id());
        assert_eq!(read.groups(), identity.groups());
        assert_eq!(read.method(), Method::SignedRequest.to_string());
        assert_eq!(read.credential(), Some(key.fingerprints().openssh().as_str()));
        assert_eq!(read.claimed_identifier(), identity.claimed_identifier());

        names.say_nobody(&mut headers);
        assert_eq!(names.read(&headers), Ok(None));
    }

    #[test]
    fn absent_and_empty_headers_say_nothing() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("x-auth-account", ""), ("x-auth-groups", "ops")]), Ok(None));
        let caller = read(&[("x-auth-account", "robot"), ("x-auth-groups", "")]).unwrap().unwrap();
        assert!(caller.groups().is_empty() && caller.account_id().is_none());
    }

    #[test]
    fn what_no_gateway_writes_is_refused() {
        for (headers, malformed) in [
            (vec![("x-auth-account", "robot"), ("x-auth-account", "admin")], "x-auth-account"),
            (vec![("x-auth-account", ""), ("x-auth-account", "admin")], "x-auth-account"),
            (vec![("x-auth-account", " robot%20")], "x-auth-account"),
            (vec![("x-auth-account", "%ff")], "x-auth-account"),
            (vec![("x-auth-account", "a%0Ab")], "x-auth-account"),
            (vec![("x-auth-account-id", "7")], "x-auth-account-id"),
            (vec![("x-auth-groups", "ops,")], "x-auth-groups"),
            (vec![("x-auth-groups", "ops, admin")], "x-auth-groups"),
            (vec![("x-auth-identifier", "me")], "x-auth-identifier"),
        ] {
            assert_eq!(read(&headers), Err(malformed.to_owned()), "{headers:?}");
        }
        let many = vec!["g"; MAX_GROUPS + 1].join(",");
        assert!(read(&[("x-auth-account", "robot"), ("x-auth-groups", &many)]).is_err());
    }
}

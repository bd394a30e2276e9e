//! What the audit trail says about an act, the same in every store, and how whoever
//! follows the trail reads it.

use countersign_core::ports::{
    Account, Act, ApiKeyRecord, AuditRecord, JwksEndpoint, PublicKeyRecord, SigningKeyRecord,
    UnreadableSigningKey,
};
use countersign_core::{AccountName, PublicKey, UnixTime};
use serde_json::{Value, json};
use uuid::Uuid;

/// A row of the trail that has no number yet.
pub(crate) struct Entry {
    /// What was done.
    pub(crate) action: &'static str,
    /// To what.
    pub(crate) target: String,
    /// The state before.
    pub(crate) before: Value,
    /// The state after.
    pub(crate) after: Value,
}

impl Entry {
    /// An act upon an account.
    pub(crate) fn account(action: &'static str, name: &str, before: Value, after: Value) -> Self {
        Self { action, target: format!("account {name}"), before, after }
    }

    /// An act upon a key of an account.
    pub(crate) fn key(
        action: &'static str,
        name: &str,
        before: Option<&PublicKeyRecord>,
        after: &PublicKeyRecord,
    ) -> Self {
        let target = format!("key {} of account {name}", after.key.fingerprints().openssh());
        Self {
            action,
            target,
            before: before.map_or(Value::Null, key_state),
            after: key_state(after),
        }
    }

    /// An act upon a JWKS endpoint of an account.
    pub(crate) fn endpoint(
        action: &'static str,
        name: &str,
        before: Option<&JwksEndpoint>,
        after: Option<&JwksEndpoint>,
    ) -> Self {
        let url = before.or(after).map_or("", |endpoint| &endpoint.url);
        let target = format!("JWKS endpoint {url} of account {name}");
        let state = |endpoint| Option::map_or(endpoint, Value::Null, endpoint_state);
        Self { action, target, before: state(before), after: state(after) }
    }

    /// An act upon an API key of an account.
    pub(crate) fn api_key(
        action: &'static str,
        name: &str,
        before: Option<&ApiKeyRecord>,
        after: &ApiKeyRecord,
    ) -> Self {
        Self {
            action,
            target: format!("API key {} of account {name}", after.id),
            before: before.map_or(Value::Null, api_key_state),
            after: api_key_state(after),
        }
    }

    /// The revocation of an access token.
    pub(crate) fn token(token_id: Uuid, remember_until: UnixTime) -> Self {
        Self {
            action: "token.revoke",
            target: format!("access token {token_id}"),
            before: Value::Null,
            after: json!({ "remember_until": remember_until.as_micros() }),
        }
    }

    /// That an operator signed in to the console with a key.
    pub(crate) fn sign_in(key: &PublicKey) -> Self {
        Self {
            action: "console.sign-in",
            target: "console".to_owned(),
            before: Value::Null,
            after: json!({ "fingerprint": key.fingerprints().openssh() }),
        }
    }

    /// The import of refresh tokens, of which one row tells for all.
    pub(crate) fn refresh_tokens(imported: usize) -> Self {
        Self {
            action: "refresh-token.import",
            target: "refresh tokens".to_owned(),
            before: Value::Null,
            after: json!({ "imported": imported }),
        }
    }

    /// That every secret was sealed under another encryption key.
    pub(crate) fn resealed(secrets: usize) -> Self {
        Self {
            action: "encryption-key.rotate",
            target: "encryption key".to_owned(),
            before: Value::Null,
            after: json!({ "secrets": secrets }),
        }
    }

    /// An act upon a signing key, damaged or not.
    pub(crate) fn signing_key(
        action: &'static str,
        before: Option<&Result<SigningKeyRecord, UnreadableSigningKey>>,
        after: &Result<SigningKeyRecord, UnreadableSigningKey>,
    ) -> Self {
        let kid = after.as_ref().map_or_else(|damaged| &damaged.kid, |key| &key.kid);
        Self {
            action,
            target: format!("signing key {kid}"),
            before: before.map_or(Value::Null, signing_key_state),
            after: signing_key_state(after),
        }
    }

    /// The row, under its number.
    pub(crate) fn into_record(self, sequence: i64, act: &Act) -> AuditRecord {
        AuditRecord {
            sequence,
            at: act.at.as_micros(),
            actor: act.actor.clone(),
            from: act.from,
            action: self.action.to_owned(),
            target: self.target,
            before: self.before,
            after: self.after,
        }
    }
}

/// What an act touched of what servers keep in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// The account of that name, or its credentials.
    Account(AccountName),
    /// Which access tokens were revoked by their id.
    RevokedTokens,
    /// The signing keys.
    SigningKeys,
    /// Nothing of it.
    Nothing,
    /// That cannot be told: a later version of this program has acted.
    Unknown,
}

impl Touched {
    /// Reads the target of a row. Names of accounts may have blanks; nothing else in a
    /// target that stands before one has.
    pub(crate) fn by_target(target: &str) -> Self {
        let account = |name| AccountName::new(name).map_or(Self::Unknown, Self::Account);
        if let Some(name) = target.strip_prefix("account ") {
            return account(name);
        }
        if target.starts_with("access token ") {
            return Self::RevokedTokens;
        }
        if target.starts_with("signing key ") || target == "encryption key" {
            return Self::SigningKeys;
        }
        if ["refresh tokens", "console"].contains(&target) {
            return Self::Nothing;
        }
        let kinds = ["key ", "API key ", "JWKS endpoint "];
        let belonging = kinds.iter().find_map(|kind| target.strip_prefix(kind));
        match belonging.and_then(|belonging| belonging.split_once(" of account ")) {
            Some((what, name)) if !what.contains(' ') => account(name),
            _ => Self::Unknown,
        }
    }
}

/// An account by itself. Instants in the trail are microseconds since the epoch.
pub(crate) fn account_state(account: &Account) -> Value {
    json!({
        "id": account.id,
        "name": account.name,
        "groups": account.groups,
        "disabled": account.disabled,
        "created_at": account.created_at.as_micros(),
        "registered": account.registered,
        "tokens_revoked_at": account.tokens_revoked_at.map(UnixTime::as_micros),
    })
}

/// An account with its credentials.
pub(crate) fn whole_account_state(
    account: &Account,
    keys: &[PublicKeyRecord],
    endpoints: &[JwksEndpoint],
    api_keys: &[ApiKeyRecord],
) -> Value {
    let mut state = account_state(account);
    state["public_keys"] = keys.iter().map(key_state).collect();
    state["jwks_endpoints"] = endpoints.iter().map(endpoint_state).collect();
    state["api_keys"] = api_keys.iter().map(api_key_state).collect();
    state
}

/// An API key without its hash, which is nobody's business.
fn api_key_state(key: &ApiKeyRecord) -> Value {
    json!({
        "id": key.id,
        "comment": key.comment,
        "created_at": key.created_at.as_micros(),
        "expires_at": key.expires_at.map(UnixTime::as_micros),
        "revoked_at": key.revoked_at.map(UnixTime::as_micros),
    })
}

fn signing_key_state(key: &Result<SigningKeyRecord, UnreadableSigningKey>) -> Value {
    let (kid, algorithm, published_at, later) = match key {
        Ok(key) => {
            let later = [key.activated_at, key.retired_at, key.gone_at];
            (&key.kid, key.algorithm.name(), key.published_at, later)
        }
        Err(key) => {
            let later = [key.activated_at, key.retired_at, key.gone_at];
            (&key.kid, &*key.algorithm, key.published_at, later)
        }
    };
    let [activated_at, retired_at, gone_at] = later.map(|at| at.map(UnixTime::as_micros));
    json!({
        "kid": kid,
        "algorithm": algorithm,
        "published_at": published_at.as_micros(),
        "activated_at": activated_at,
        "retired_at": retired_at,
        "gone_at": gone_at,
    })
}

fn key_state(key: &PublicKeyRecord) -> Value {
    json!({
        "fingerprint": key.key.fingerprints().openssh(),
        "type": key.key.key_type().to_string(),
        "comment": key.comment,
        "created_at": key.created_at.as_micros(),
        "expires_at": key.expires_at.map(UnixTime::as_micros),
        "revoked_at": key.revoked_at.map(UnixTime::as_micros),
    })
}

fn endpoint_state(endpoint: &JwksEndpoint) -> Value {
    json!({ "url": endpoint.url, "created_at": endpoint.created_at.as_micros() })
}

#[cfg(test)]
mod tests {
    use countersign_core::ports::NewPublicKey;
    use countersign_core::{AccountId, ApiKeyId, KeyKind, PrivateKey, SecretHash};

    use super::*;

    const NAME: &str = "robot of account access token signing key 7";

    fn key_record() -> PublicKeyRecord {
        let key = PrivateKey::generate(KeyKind::Ed25519).unwrap().public_key().clone();
        let NewPublicKey { key, comment, expires_at } =
            NewPublicKey { key, comment: String::new(), expires_at: None };
        PublicKeyRecord {
            account: AccountId(Uuid::nil()),
            key,
            comment,
            created_at: UnixTime::from_secs(0),
            expires_at,
            revoked_at: None,
            last_used_at: None,
            last_used_from: None,
        }
    }

    fn api_key_record() -> ApiKeyRecord {
        ApiKeyRecord {
            id: ApiKeyId(Uuid::nil()),
            account: AccountId(Uuid::nil()),
            hash: SecretHash::from_bytes([0; 32]),
            comment: String::new(),
            created_at: UnixTime::from_secs(0),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
            last_used_from: None,
        }
    }

    fn touched(entry: &Entry) -> Touched {
        Touched::by_target(&entry.target)
    }

    #[test]
    fn every_act_upon_an_account_names_it() {
        let account = Touched::Account(AccountName::new(NAME).unwrap());
        let entry = Entry::account("account.create", NAME, Value::Null, Value::Null);
        assert_eq!(touched(&entry), account);
        assert_eq!(touched(&Entry::key("key.add", NAME, None, &key_record())), account);
        assert_eq!(touched(&Entry::api_key("api-key.add", NAME, None, &api_key_record())), account);
        let endpoint = JwksEndpoint {
            account: AccountId(Uuid::nil()),
            url: "https://issuer.example/jwks".to_owned(),
            created_at: UnixTime::from_secs(0),
            status: None,
        };
        let entry = Entry::endpoint("jwks-endpoint.add", NAME, None, Some(&endpoint));
        assert_eq!(touched(&entry), account);
    }

    #[test]
    fn every_other_act_says_what_it_touched() {
        let token = Entry::token(Uuid::nil(), UnixTime::from_secs(0));
        assert_eq!(touched(&token), Touched::RevokedTokens);
        assert_eq!(touched(&Entry::resealed(3)), Touched::SigningKeys);
        assert_eq!(touched(&Entry::refresh_tokens(3)), Touched::Nothing);
        assert_eq!(touched(&Entry::sign_in(&key_record().key)), Touched::Nothing);
        assert_eq!(Touched::by_target("signing key 2026-11"), Touched::SigningKeys);
    }

    #[test]
    fn what_a_later_version_says_is_not_guessed() {
        for target in ["", "account ", "policy strict", "key of account a", "key a b of account c"]
        {
            assert_eq!(Touched::by_target(target), Touched::Unknown, "{target}");
        }
    }
}

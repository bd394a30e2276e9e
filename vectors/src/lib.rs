//! The accept/reject cases of signed requests, one per rule and named for it.
//!
//! The cases are the JSON files beside this crate, made for implementations in
//! any language; `docs/vectors.md` describes them. This crate only embeds and
//! types them, so that the same cases run in core and over HTTP.

use serde::{Deserialize, Serialize};

/// A test key pair. Everyone has its private half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestKey {
    /// What accounts call it by.
    pub name: String,
    /// The private half, PKCS#8 PEM.
    pub private_pem: String,
    /// The public half, SPKI PEM.
    pub public_pem: String,
}

/// An account that the cases presume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestAccount {
    /// Its name.
    pub name: String,
    /// Its id, a UUID.
    pub id: String,
    /// Its groups, sorted.
    pub groups: Vec<String>,
    /// Whether it is disabled.
    pub disabled: bool,
    /// Its keys, in the order they were registered.
    pub keys: Vec<AccountKey>,
}

/// A key of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountKey {
    /// The name of a [`TestKey`].
    pub key: String,
    /// Whether it was revoked.
    #[serde(default)]
    pub revoked: bool,
    /// The instant from which on it is refused, in Unix seconds.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

/// The cases of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// The name of its file.
    pub topic: String,
    /// What it is about.
    pub about: String,
    /// The server's clock in every case, in Unix seconds.
    pub now: i64,
    /// The cases. No two share a nonce, so one server can run all of them.
    pub cases: Vec<Case>,
}

/// One rule at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The rule.
    pub name: String,
    /// The row of the wire format's table that the rule is from.
    pub row: String,
    /// The names the service goes by in `aud`, if it has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Whether it asks for an `aud` that names nobody but itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub audience_required: bool,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One request, or the same request several times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Whether the server is stopped and started again before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_restart: bool,
    /// How many copies of the request arrive at the same time.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub at_once: u32,
    /// The value of each Authorization header of the request.
    pub authorization: Vec<String>,
    /// What comes of it.
    #[serde(flatten)]
    pub expected: Expected,
}

/// What comes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "expect", rename_all = "snake_case")]
pub enum Expected {
    /// It is accepted as a request of this account.
    Accept {
        /// The account's name.
        account: String,
    },
    /// It is refused.
    Refuse {
        /// The stable code for the log.
        reason: String,
    },
    /// Exactly one of the copies is accepted.
    AcceptOne {
        /// The account's name.
        account: String,
        /// Why the others are refused.
        reason: String,
    },
}

/// A public key and whether it may be registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyCase {
    /// The rule.
    pub name: String,
    /// The row of the wire format's table that the rule is from.
    pub row: String,
    /// The key, SPKI PEM.
    pub public_pem: String,
    /// `accept` or `refuse`.
    pub expect: String,
    /// Why it is refused.
    #[serde(default)]
    pub error: Option<String>,
}

/// The test keys.
pub fn keys() -> Vec<TestKey> {
    #[derive(Deserialize)]
    struct File {
        keys: Vec<TestKey>,
    }
    read::<File>("keys.json", include_str!("../keys.json")).keys
}

/// The accounts that every case presumes.
pub fn accounts() -> Vec<TestAccount> {
    #[derive(Deserialize)]
    struct File {
        accounts: Vec<TestAccount>,
    }
    read::<File>("accounts.json", include_str!("../accounts.json")).accounts
}

/// The cases on registering public keys.
pub fn public_key_cases() -> Vec<PublicKeyCase> {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<PublicKeyCase>,
    }
    read::<File>("public-keys.json", include_str!("../public-keys.json")).cases
}

macro_rules! topics {
    ($($name:literal),* $(,)?) => {
        /// The names of the topics, each a file `NAME.json`.
        pub const TOPICS: &[&str] = &[$($name),*];

        /// All cases on requests, by topic.
        pub fn topics() -> Vec<Topic> {
            vec![$(read($name, include_str!(concat!("../", $name, ".json")))),*]
        }
    };
}

topics![
    "clients",
    "authorization-header",
    "token-encoding",
    "token-header",
    "algorithms",
    "key-selection",
    "payload",
    "claims-time",
    "claims-nonce",
    "claims-username",
    "claims-registered",
    "account-state",
    "replay",
];

fn read<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> T {
    match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => panic!("vectors/{name}: {error}"),
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(count: &u32) -> bool {
    *count == 1
}

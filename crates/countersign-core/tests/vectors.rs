//! The language-neutral vectors, run through the authenticator.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_core::ports::{
    AccountKeys, Directory, DirectoryError, GuardError, RegisteredKey, ReplayGuard, ReplayKey,
    Spend,
};
use countersign_core::{
    AccountId, AccountName, AuthenticationError, Authenticator, Binding, Clock, GroupName,
    Identity, PublicKey, PublicKeyError, SignedRequestPolicy, UnixTime,
};
use countersign_vectors::{Case, Expected, Step, TestAccount};
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// The accounts of the vectors.
struct Accounts(HashMap<AccountName, Arc<AccountKeys>>);

impl Accounts {
    fn of_the_vectors() -> Self {
        let keys: HashMap<String, PublicKey> = countersign_vectors::keys()
            .into_iter()
            .map(|key| (key.name, public_key(&key.public_pem).unwrap()))
            .collect();
        let accounts = countersign_vectors::accounts();
        assert!(!accounts.is_empty());
        let load = |account| {
            let account = account_keys(account, &keys);
            (account.name.clone(), Arc::new(account))
        };
        Self(accounts.into_iter().map(load).collect())
    }
}

fn account_keys(account: TestAccount, keys: &HashMap<String, PublicKey>) -> AccountKeys {
    let registered = account.keys.into_iter().map(|key| RegisteredKey {
        key: keys[&key.key].clone(),
        kid: None,
        algorithm: None,
        expires_at: key.expires_at.map(UnixTime::from_secs),
        revoked: key.revoked,
    });
    AccountKeys {
        id: AccountId(account.id.parse().unwrap()),
        name: AccountName::new(&account.name).unwrap(),
        groups: account.groups.iter().map(|group| GroupName::new(group).unwrap()).collect(),
        disabled: account.disabled,
        keys: registered.collect(),
        api_keys: Vec::new(),
        tokens_revoked_at: None,
    }
}

fn public_key(pem: &str) -> Result<PublicKey, PublicKeyError> {
    PublicKey::from_spki_der(pem::parse(pem).unwrap().contents())
}

#[async_trait]
impl Directory for Accounts {
    async fn find(&self, name: &AccountName) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        Ok(self.0.get(name).cloned())
    }
}

/// A guard that forgets nothing.
#[derive(Default)]
struct Spent(Mutex<HashSet<ReplayKey>>);

#[async_trait]
impl ReplayGuard for Spent {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        if self.0.lock().unwrap().insert(spend.key) { Ok(()) } else { Err(GuardError::Replayed) }
    }
}

struct At(UnixTime);

impl Clock for At {
    fn now(&self) -> UnixTime {
        self.0
    }
}

fn headers(step: &Step) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in &step.authorization {
        headers.append(AUTHORIZATION, value.parse().unwrap());
    }
    headers
}

async fn run_at_once(
    authenticator: &Arc<Authenticator>,
    step: &Step,
) -> Vec<Result<String, String>> {
    let tasks: Vec<_> = (0..step.at_once)
        .map(|_| {
            let (authenticator, headers) = (Arc::clone(authenticator), headers(step));
            tokio::spawn(async move { outcome(authenticator.authenticate(&headers, None).await) })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

/// The account's name, or the code of the reason.
fn outcome(result: Result<Identity, AuthenticationError>) -> Result<String, String> {
    match result {
        Ok(identity) => Ok(identity.account().to_string()),
        Err(AuthenticationError::Refused(refusal)) => Err(refusal.reason.code().to_owned()),
        Err(other) => Err(format!("neither accepted nor refused: {other}")),
    }
}

fn check(case: &Case, step: &Step, mut outcomes: Vec<Result<String, String>>) {
    let expected = match step.expected.clone() {
        Expected::Accept { account } => Ok(account),
        Expected::Refuse { reason } => Err(reason),
        Expected::AcceptOne { account, reason } => {
            let accepted = outcomes.iter().position(Result::is_ok);
            let accepted = outcomes.remove(accepted.unwrap_or_else(|| panic!("{}", case.name)));
            assert_eq!(accepted, Ok(account), "{}", case.name);
            Err(reason)
        }
    };
    for outcome in outcomes {
        assert_eq!(outcome, expected, "{}", case.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_case_comes_out_as_it_says() {
    let directory = Arc::new(Accounts::of_the_vectors());
    // One guard for all, as one server would have: no two cases share a nonce.
    let guard = Arc::new(Spent::default());
    let mut total = 0;
    for topic in countersign_vectors::topics() {
        assert!(!topic.cases.is_empty(), "vectors/{}.json has no cases", topic.topic);
        println!("{:4} cases on {}", topic.cases.len(), topic.topic);
        total += topic.cases.len();
        for case in &topic.cases {
            let policy = SignedRequestPolicy {
                audiences: case.audiences.clone(),
                binding: if case.audience_required { Binding::Audience } else { Binding::Free },
                ..SignedRequestPolicy::default()
            };
            let clock = Arc::new(At(UnixTime::from_secs(topic.now)));
            let authenticator =
                Arc::new(Authenticator::new(policy, directory.clone(), guard.clone(), clock));
            for step in &case.steps {
                // A restart changes nothing here: what survives it is the guard,
                // and this one is outside of the authenticator.
                check(case, step, run_at_once(&authenticator, step).await);
            }
        }
    }
    println!("{total:4} cases in all");
}

#[test]
fn weak_and_foreign_public_keys_are_refused_each_with_its_own_error() {
    let cases = countersign_vectors::public_key_cases();
    assert!(!cases.is_empty());
    println!("{:4} cases on public-keys", cases.len());
    for case in cases {
        let found = public_key(&case.public_pem).err().map(|error| name_of(&error));
        assert_eq!(found, case.error.as_deref(), "{}", case.name);
        assert_eq!(case.expect == "accept", case.error.is_none(), "{}", case.name);
    }
}

fn name_of(error: &PublicKeyError) -> &'static str {
    match error {
        PublicKeyError::RsaTooShort(_) => "rsa-too-short",
        PublicKeyError::RsaTooLong(_) => "rsa-too-long",
        PublicKeyError::RsaEvenModulus => "rsa-even-modulus",
        PublicKeyError::RsaEvenExponent => "rsa-even-exponent",
        PublicKeyError::RsaTinyExponent(_) => "rsa-tiny-exponent",
        PublicKeyError::RsaHugeExponent => "rsa-huge-exponent",
        PublicKeyError::Ed25519SmallOrder => "ed25519-small-order",
        PublicKeyError::Ed25519NotCanonical => "ed25519-not-canonical",
        PublicKeyError::Ed25519NotOnCurve => "ed25519-not-on-curve",
        PublicKeyError::EcNotOnCurve(_) => "ec-not-on-curve",
        PublicKeyError::Unsupported(_) => "unsupported",
        _ => "malformed",
    }
}

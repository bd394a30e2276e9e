//! A service brings its own users, keys and nonce store, scheme word and window.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{
    AccountKeys, Directory, DirectoryError, GuardError, LastUse, RegisteredKey, ReplayGuard, Spend,
};
use countersign_core::{
    AccountId, AccountName, AuthenticationError, Authenticator, Clock, KeyKind, PrivateKey,
    PublicKey, Random, Reason, RequestSigner, SignedRequestPolicy, UnixTime,
};
use http::HeaderMap;
use http::header::AUTHORIZATION;

const NOW: UnixTime = UnixTime::from_secs(1_795_385_494);

/// A service's own user table: an email address is the name, keys are SPKI DER.
struct UserTable {
    rows: BTreeMap<String, UserRow>,
    last_use: Mutex<Option<(AccountName, Option<IpAddr>)>>,
    reachable: bool,
}

struct UserRow {
    number: u128,
    active: bool,
    public_keys: Vec<Vec<u8>>,
}

#[async_trait]
impl Directory for UserTable {
    async fn find(&self, name: &AccountName) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        if !self.reachable {
            return Err(DirectoryError("the database does not answer".into()));
        }
        Ok(self.rows.get(name.as_str()).map(|row| Arc::new(row.account(name))))
    }

    fn used(&self, use_: LastUse) {
        *self.last_use.lock().unwrap() = Some((use_.account, use_.from));
    }
}

impl UserRow {
    fn account(&self, name: &AccountName) -> AccountKeys {
        let key = |der: &Vec<u8>| RegisteredKey {
            key: PublicKey::from_spki_der(der).unwrap(),
            kid: None,
            algorithm: None,
            expires_at: None,
            revoked: false,
        };
        AccountKeys {
            id: AccountId(uuid::Uuid::from_u128(self.number)),
            name: name.clone(),
            groups: [].into(),
            disabled: !self.active,
            keys: self.public_keys.iter().map(key).collect(),
            api_keys: Vec::new(),
            tokens_revoked_at: None,
        }
    }
}

/// A service's own nonce store: a table of texts with an expiry.
#[derive(Default)]
struct NonceTable {
    rows: Mutex<BTreeMap<String, UnixTime>>,
    full: bool,
}

#[async_trait]
impl ReplayGuard for NonceTable {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        if self.full {
            return Err(GuardError::Full);
        }
        let key = format!("{:?}", spend.key);
        match self.rows.lock().unwrap().insert(key, spend.remember_until()) {
            None => Ok(()),
            Some(_) => Err(GuardError::Replayed),
        }
    }
}

struct At(UnixTime);

impl Clock for At {
    fn now(&self) -> UnixTime {
        self.0
    }
}

/// Counts up, so that every nonce is another.
#[derive(Default)]
struct Counter(Mutex<u8>);

impl Random for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let mut counter = self.0.lock().unwrap();
        *counter += 1;
        bytes.fill(*counter);
    }
}

/// A service with one user and settings of its own.
struct Service {
    users: UserTable,
    nonces: NonceTable,
    signer: RequestSigner,
}

impl Service {
    fn new() -> Self {
        let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
        let name = "ada@example.org";
        let public_keys = vec![key.public_key().to_spki_der()];
        let row = UserRow { number: 7, active: true, public_keys };
        let rows = BTreeMap::from([(name.to_owned(), row)]);
        let users = UserTable { rows, last_use: Mutex::default(), reachable: true };
        let signer = RequestSigner::new(AccountName::new(name).unwrap(), key).with_scheme("Signed");
        Self { users, nonces: NonceTable::default(), signer }
    }

    /// The authenticator, with the user table for the test to look at.
    fn start(self) -> (Authenticator, Arc<UserTable>, RequestSigner) {
        let policy = SignedRequestPolicy {
            scheme: "Signed".into(),
            tolerance: Duration::from_mins(5),
            ..SignedRequestPolicy::default()
        };
        let (users, nonces) = (Arc::new(self.users), Arc::new(self.nonces));
        let authenticator = Authenticator::new(policy, users.clone(), nonces, Arc::new(At(NOW)));
        (authenticator, users, self.signer)
    }
}

fn headers(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
}

async fn reason(authenticator: &Authenticator, headers: &HeaderMap) -> Reason {
    match authenticator.authenticate(headers, None).await.unwrap_err() {
        AuthenticationError::Refused(refusal) => refusal.reason,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_service_s_own_users_and_nonces_lead_to_an_identity_once() {
    let (authenticator, users, signer) = Service::new().start();
    let header = headers(&signer.authorization(&At(NOW), &Counter::default()).unwrap());
    let from = IpAddr::from([192, 0, 2, 1]);
    let identity = authenticator.authenticate(&header, Some(from)).await.unwrap();
    assert_eq!(identity.account().as_str(), "ada@example.org");
    assert_eq!(identity.account_id().map(|id| id.0.as_u128()), Some(7));
    let used = users.last_use.lock().unwrap().clone();
    assert_eq!(used, Some((identity.account().clone(), Some(from))));
    assert_eq!(reason(&authenticator, &header).await, Reason::Replayed);
}

#[tokio::test]
async fn the_window_is_as_wide_as_the_service_says() {
    let (authenticator, _, signer) = Service::new().start();
    let random = Counter::default();
    let at = |seconds: i64| {
        let clock = At(UnixTime::from_secs(NOW.as_secs() + seconds));
        headers(&signer.authorization(&clock, &random).unwrap())
    };
    for inside in [-300, -21, 21, 300] {
        assert!(authenticator.authenticate(&at(inside), None).await.is_ok(), "{inside}");
    }
    for outside in [-301, 301] {
        assert_eq!(reason(&authenticator, &at(outside)).await, Reason::OutsideWindow);
    }
}

#[tokio::test]
async fn the_scheme_word_is_the_service_s_own() {
    let (authenticator, _, signer) = Service::new().start();
    let token = signer.token(&At(NOW), &Counter::default()).unwrap();
    let with = |scheme: &str| headers(&format!("{scheme} {token}"));
    assert_eq!(reason(&authenticator, &with("JWT")).await, Reason::SchemeOther);
    assert!(authenticator.authenticate(&with("signed"), None).await.is_ok());
}

#[tokio::test]
async fn a_user_who_is_not_active_is_refused() {
    let mut service = Service::new();
    service.users.rows.values_mut().for_each(|row| row.active = false);
    let (authenticator, users, signer) = service.start();
    let header = headers(&signer.authorization(&At(NOW), &Counter::default()).unwrap());
    assert_eq!(reason(&authenticator, &header).await, Reason::AccountDisabled);
    assert_eq!(*users.last_use.lock().unwrap(), None);
}

#[tokio::test]
async fn an_outage_of_either_is_no_refusal_and_no_identity() {
    let mut unreachable = Service::new();
    unreachable.users.reachable = false;
    let mut full = Service::new();
    full.nonces.full = true;
    for service in [unreachable, full] {
        let (authenticator, users, signer) = service.start();
        let header = headers(&signer.authorization(&At(NOW), &Counter::default()).unwrap());
        let error = authenticator.authenticate(&header, None).await.unwrap_err();
        assert!(matches!(error, AuthenticationError::Unavailable(_)), "{error}");
        assert_eq!(*users.last_use.lock().unwrap(), None);
    }
}

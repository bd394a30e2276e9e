//! Several token services on one database: what one signs, all take, and what one lets go,
//! all refuse.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{
    Act, AuditRecord, Clock as _, Page, SigningKeyRecord, SigningKeyStore as _, StoreError,
    TokenDirectory as _,
};
use countersign_core::{AccountId, ApiKey, EncryptionKey, Rotation};
use countersign_server::{
    LiveKeyRing, ReadinessCheck as _, RingSettings, RingSharing, SigningKeysCheck, TokenPorts,
    TokenService, TokenSettings,
};
use countersign_store::{
    Following, LiveDirectory, OutOfTouch, PostgresLimits, PostgresServer, PostgresTrail,
    PostgresUrl, SharedTrail, SqlRefreshTokens, SqlStore,
};
use sqlx::{Connection as _, PgConnection};

use crate::support::ports::{TestClock, TestRandom};
use crate::support::tokens::IDENTIFIER;

/// A trail that cannot be read: whoever follows it is out of touch.
struct Silent;

#[async_trait]
impl SharedTrail for Silent {
    async fn rows(&self, _: Page<i64>) -> Result<Vec<AuditRecord>, StoreError> {
        Err(StoreError::Unavailable("silent".to_owned()))
    }

    async fn last(&self) -> Result<Option<AuditRecord>, StoreError> {
        Ok(None)
    }

    async fn news(&self) {
        std::future::pending::<()>().await;
    }
}

/// How a service hears of what others do.
#[derive(Clone, Copy)]
enum Hears {
    /// Through the trail.
    Everything,
    /// Not at all, and knows it.
    Nothing,
    /// Not at all, and does not know it.
    NothingUnawares,
}

struct Shared {
    url: String,
    server: PostgresServer,
    encryption_key: EncryptionKey,
    clock: Arc<TestClock>,
    random: Arc<TestRandom>,
}

impl Shared {
    async fn new() -> Self {
        let database = countersign_testbed::fresh_database().await.unwrap();
        let url = PostgresUrl::parse(database.url()).unwrap();
        let limits = PostgresLimits { connections: 4, ..PostgresLimits::default() };
        let random = Arc::new(TestRandom::default());
        Self {
            url: database.url().to_owned(),
            server: PostgresServer::open(&url, limits).await.unwrap(),
            encryption_key: EncryptionKey::generate(&*random),
            clock: Arc::default(),
            random,
        }
    }

    fn act(&self) -> Act {
        Act { actor: "the-test".into(), at: self.clock.now(), from: None }
    }

    async fn service(&self, hears: Hears) -> TokenService {
        self.replica(hears).await.0
    }

    async fn replica(&self, hears: Hears) -> (TokenService, LiveDirectory, Arc<LiveKeyRing>) {
        let store = Arc::new(SqlStore::new(self.server.clone()));
        let ring = RingSettings { sharing: RingSharing::WithOthers, ..RingSettings::default() };
        let ports = (self.clock.clone() as _, self.random.clone() as _);
        let key = self.encryption_key.clone();
        let ring = Arc::new(LiveKeyRing::open(store.clone(), key, ring, ports).await.unwrap());
        let following = |trail| Following {
            trail,
            signing_keys: Some(ring.clone() as _),
            out_of_touch: OutOfTouch::AskTheStore,
        };
        let directory = match hears {
            Hears::Everything => {
                let trail = Arc::new(PostgresTrail::new(self.server.clone()));
                LiveDirectory::follow(store.clone(), None, following(trail))
            }
            Hears::Nothing => {
                LiveDirectory::follow(store.clone(), None, following(Arc::new(Silent)))
            }
            Hears::NothingUnawares => LiveDirectory::start(store.clone(), None),
        };
        directory.completed().await;
        let ports = TokenPorts {
            directory: Arc::new(directory.clone()),
            api_keys: Arc::new(directory.clone()),
            refresh_tokens: Arc::new(SqlRefreshTokens::new(store.database().clone())),
            clock: self.clock.clone(),
            random: self.random.clone(),
        };
        let service = TokenService::new(ports, Arc::clone(&ring), TokenSettings::default());
        (service, directory, ring)
    }
}

async fn buy(service: &TokenService, key: &ApiKey) -> String {
    let identifier = IDENTIFIER.parse().unwrap();
    service.authenticate(key.reveal(), identifier, None).await.unwrap().jwt
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_on_one_is_followed_by_the_others() {
    let shared = Shared::new().await;
    let one = shared.service(Hears::Everything).await;
    let key = ApiKey::generate(&*shared.random);
    let identifier = AccountId(IDENTIFIER.parse().unwrap());
    one.register(&shared.act(), &key, identifier).await.unwrap();
    let other = shared.service(Hears::Everything).await;
    let silent = shared.service(Hears::Nothing).await;
    let unaware = shared.service(Hears::NothingUnawares).await;
    let stolen = buy(&one, &key).await;
    for service in [&one, &other, &silent, &unaware] {
        assert!(service.validate(&stolen).await.is_ok());
    }
    // Twice: what signs then was in nobody's memory before.
    for _ in 0..2 {
        one.ring().rotate(&shared.act(), Rotation::Compromised).await.unwrap();
    }
    let new = buy(&one, &key).await;
    assert!(unaware.validate(&new).await.is_ok(), "the database is asked for a key");
    assert!(silent.validate(&stolen).await.is_err(), "out of touch, it asks each time");
    for service in [&one, &other, &silent] {
        assert!(service.validate(&new).await.is_ok());
    }
    let refused = async {
        while other.validate(&stolen).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), refused).await.expect("it hears of it");
    assert!(one.validate(&buy(&other, &key).await).await.is_ok());
    assert!(one.validate(&buy(&silent, &key).await).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_rotations_at_once_one_is_made() {
    let shared = Shared::new().await;
    let one = shared.service(Hears::Everything).await;
    let other = shared.service(Hears::Everything).await;
    shared.clock.advance(90 * 24 * 60 * 60);
    tokio::join!(one.maintain(), other.maintain());
    for service in [&one, &other] {
        service.maintain().await;
        assert_eq!(service.ring().keys().len(), 3, "retired, active and one standby");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_that_cannot_be_used_are_done_without() {
    let shared = Shared::new().await;
    let (service, directory, ring) = shared.replica(Hears::Everything).await;
    let key = ApiKey::generate(&*shared.random);
    let identifier = AccountId(IDENTIFIER.parse().unwrap());
    service.register(&shared.act(), &key, identifier).await.unwrap();
    let token = buy(&service, &key).await;

    let store = SqlStore::new(shared.server.clone());
    let stored = store.signing_keys().await.unwrap();
    let standby = stored.into_iter().map(Result::unwrap).find(|key| key.activated_at.is_none());
    let others = EncryptionKey::generate(&*shared.random);
    let foreign = SigningKeyRecord {
        kid: "foreign".into(),
        sealed: Some(others.seal("signing-key", "foreign", b"a secret", &*shared.random)),
        ..standby.unwrap()
    };
    assert!(store.add_signing_key(&shared.act(), &foreign).await.unwrap());
    let damaged = SigningKeyRecord { kid: "damaged".into(), ..foreign };
    assert!(store.add_signing_key(&shared.act(), &damaged).await.unwrap());
    let mut connection = PgConnection::connect(&shared.url).await.unwrap();
    let damage = "UPDATE countersign_signing_keys SET spki = '\\x00' WHERE kid = 'damaged'";
    sqlx::query(damage).execute(&mut connection).await.unwrap();
    // Another row, so that it is read once more, and what is waited for lies behind it.
    service.ring().rotate(&shared.act(), Rotation::Compromised).await.unwrap();
    service.register(&shared.act(), &ApiKey::generate(&*shared.random), identifier).await.unwrap();

    let followed = async {
        while service.ring().unusable_keys().len() < 2 || directory.version().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        while directory.version().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), followed).await.expect("it is in touch");
    assert!(service.validate(&token).await.is_err(), "and takes up what others revoke");
    let token = buy(&service, &key).await;
    assert!(service.validate(&token).await.is_ok());
    let check = SigningKeysCheck(ring);
    assert_eq!(check.check().await, Err("2 of them cannot be used".to_owned()));
}

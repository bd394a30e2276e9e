//! Several token services on one database: what one signs, all take, and what one lets go,
//! all refuse.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{Act, AuditRecord, Clock as _, Page, StoreError};
use countersign_core::{AccountId, ApiKey, EncryptionKey, Rotation};
use countersign_server::{
    LiveKeyRing, RingSettings, RingSharing, TokenPorts, TokenService, TokenSettings,
};
use countersign_store::{
    Following, LiveDirectory, OutOfTouch, PostgresLimits, PostgresServer, PostgresTrail,
    PostgresUrl, SharedTrail, SqlRefreshTokens, SqlStore,
};

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
            api_keys: Arc::new(directory),
            refresh_tokens: Arc::new(SqlRefreshTokens::new(store.database().clone())),
            clock: self.clock.clone(),
            random: self.random.clone(),
        };
        TokenService::new(ports, ring, TokenSettings::default())
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

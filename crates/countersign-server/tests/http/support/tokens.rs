//! A service that swaps keys for tokens, on a real database.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use countersign_core::ports::Act;
use countersign_core::{AccountName, Clock as _, EncryptionKey};
use countersign_server::{
    LiveKeyRing, Ports, RingSettings, Service, Settings, TokenPorts, TokenService, TokenSettings,
};
use countersign_store::{
    Database, Durability, LiveDirectory, PostgresLimits, PostgresServer, PostgresUrl,
    SqlRefreshTokens, SqlStore, SqliteFile,
};
use http::Request;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::ports::{TestClock, TestGuard, TestRandom};
use super::{Answer, HOST, INSTANCE, PEER, answer, from_peer, public_from};

/// Whose key it is in most tests.
pub(crate) const IDENTIFIER: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
/// Somebody else.
pub(crate) const OTHER: &str = "7b1f1a52-8c4f-4e0e-9d53-6a6b0f9d6f43";

/// A service, its clock, and what it stands on.
pub(crate) struct TokenWorld {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) random: Arc<TestRandom>,
    pub(crate) store: SqlStore,
    pub(crate) directory: LiveDirectory,
    pub(crate) tokens: Arc<TokenService>,
    pub(crate) service: Service,
    pub(crate) encryption_key: EncryptionKey,
    /// Of the database, for who changes it behind the server's back.
    pub(crate) url: String,
    _directory: TempDir,
}

/// Where a world keeps its things.
#[derive(Clone, Copy)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

impl TokenWorld {
    pub(crate) async fn new(on: On) -> Self {
        Self::with(on, Settings::new(INSTANCE), TokenSettings::default()).await
    }

    pub(crate) async fn with(on: On, settings: Settings, tokens: TokenSettings) -> Self {
        let ring =
            RingSettings { longest_lifetime: tokens.policy.lifetime, ..RingSettings::default() };
        Self::with_ring(on, settings, tokens, ring).await
    }

    pub(crate) async fn with_ring(
        on: On,
        settings: Settings,
        tokens: TokenSettings,
        ring: RingSettings,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (database, url): (Database, _) = match on {
            On::Sqlite => {
                let path = directory.path().join("countersign.db");
                let file = SqliteFile::open(&path, Durability::ProcessCrash).await.unwrap();
                (file.into(), format!("sqlite://{}", path.display()))
            }
            On::Postgres => {
                let database = countersign_testbed::fresh_database().await.unwrap();
                let url = PostgresUrl::parse(database.url()).unwrap();
                let limits = PostgresLimits { connections: 4, ..PostgresLimits::default() };
                let server = PostgresServer::open(&url, limits).await.unwrap();
                (server.into(), database.url().to_owned())
            }
        };
        let store = SqlStore::new(database.clone());
        let live = LiveDirectory::start(Arc::new(store.clone()), None);
        live.completed().await;
        let (clock, random) = (Arc::new(TestClock::default()), Arc::new(TestRandom::default()));
        let encryption_key = EncryptionKey::generate(&*random);
        let ring = LiveKeyRing::open(
            Arc::new(store.clone()),
            encryption_key.clone(),
            ring,
            (clock.clone(), random.clone()),
        );
        let token_ports = TokenPorts {
            directory: Arc::new(live.clone()),
            api_keys: Arc::new(live.clone()),
            refresh_tokens: Arc::new(SqlRefreshTokens::new(database)),
            clock: clock.clone(),
            random: random.clone(),
        };
        let tokens = TokenService::new(token_ports, Arc::new(ring.await.unwrap()), tokens);
        let tokens = Arc::new(match settings.rate_limits.per_credential.clone() {
            Some(limiter) => tokens.with_credential_limit(limiter),
            None => tokens,
        });
        let ports = Ports {
            directory: Arc::new(live.clone()),
            guard: Arc::new(TestGuard::default()),
            store: Arc::new(live.clone()),
            visits: Arc::new(store.clone()),
            tokens: Some(Arc::clone(&tokens)),
            clock: clock.clone(),
            random: random.clone(),
        };
        let service = Service::new(ports, settings).unwrap();
        Self {
            clock,
            random,
            store,
            directory: live,
            tokens,
            service,
            encryption_key,
            url,
            _directory: directory,
        }
    }

    pub(crate) fn act(&self) -> Act {
        Act { actor: "the-test".into(), at: self.clock.now(), from: None }
    }

    pub(crate) fn public(&self) -> Router {
        public_from(&self.service, PEER)
    }

    pub(crate) fn internal(&self) -> Router {
        from_peer(self.service.internal(), PEER)
    }

    /// A call of the public listener.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        answer(self.public(), Request::post(path).body(body.into()).unwrap()).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, body.to_string()).await
    }

    /// A call of the internal listener, which nobody signs.
    pub(crate) async fn post_internal(&self, path: &str, body: &Value) -> Answer {
        let request = Request::post(path).header("host", HOST);
        answer(self.internal(), request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, authorization: &[&str]) -> Answer {
        let mut request = Request::get(path);
        for value in authorization {
            request = request.header("authorization", *value);
        }
        answer(self.public(), request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn register(&self, key: &str, identifier: &str) -> Answer {
        let body = json!({ "key": key, "identifier": identifier });
        self.post_internal("/register_key", &body).await
    }

    pub(crate) async fn authenticate(&self, key: &str, identifier: &str) -> Answer {
        self.post_json("/authenticate", &json!({ "key": key, "identifier": identifier })).await
    }

    pub(crate) async fn refresh(&self, token: &str, identifier: &str) -> Answer {
        let body = json!({ "refresh_token": token, "identifier": identifier });
        self.post_json("/refresh", &body).await
    }

    pub(crate) async fn validate(&self, jwt: &str) -> Answer {
        self.post_json("/validate", &json!({ "jwt": jwt })).await
    }

    pub(crate) async fn validate_request(&self, jwt: &str) -> Answer {
        self.get("/validate_request", &[&format!("Bearer {jwt}")]).await
    }

    /// An access token and a refresh token for a key that is registered here and now.
    pub(crate) async fn session(&self, key: &str, identifier: &str) -> (String, String) {
        assert_eq!(self.register(key, identifier).await.status, 201);
        let answer = self.authenticate(key, identifier).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = |member: &str| answer.json::<Value>()[member].as_str().unwrap().to_owned();
        (text("jwt"), text("refresh_token"))
    }

    pub(crate) fn name(identifier: &str) -> AccountName {
        AccountName::new(identifier).unwrap()
    }
}

/// Runs each of these tests on SQLite and on PostgreSQL.
macro_rules! on_each_database {
    ($($test:ident,)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::support::tokens::On::Sqlite).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::support::tokens::On::Postgres).await;
            })*
        }
    };
}
pub(crate) use on_each_database;

//! A service over small real ports, and callers of it.

pub(crate) mod documented;
pub(crate) mod http2;
pub(crate) mod ports;
pub(crate) mod raw;
pub(crate) mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use countersign_core::ports::{Act, AdminStore as _, NewAccount, NewPublicKey};
use countersign_core::{
    AccountId, AccountName, BoundTo, Clock as _, GroupName, KeyKind, PrivateKey, PublicKey,
    Random as _, RequestBinding, RequestSigner,
};
use countersign_server::api::Problem;
use countersign_server::{PeerAddress, Ports, Service, Settings, SettingsError};
use countersign_store::MemoryStore;
use http::{HeaderMap, Request, StatusCode};
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;
use uuid::Uuid;

use ports::{TestClock, TestDirectory, TestGuard, TestRandom};

/// What administrative tokens name in these tests.
pub(crate) const INSTANCE: &str = "instance-of-the-tests";
/// Where requests come from, unless a test says otherwise.
pub(crate) const PEER: &str = "192.0.2.7:4711";

/// Where the internal listener is asked.
pub(crate) const HOST: &str = "localhost:8081";

/// A service and the ports under it.
pub(crate) struct World {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) random: Arc<TestRandom>,
    pub(crate) directory: Arc<TestDirectory>,
    pub(crate) guard: Arc<TestGuard>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) service: Service,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Settings::new(INSTANCE))
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::try_with(settings).unwrap()
    }

    pub(crate) fn try_with(settings: Settings) -> Result<Self, SettingsError> {
        let clock = Arc::new(TestClock::default());
        let random = Arc::new(TestRandom::default());
        let directory = Arc::new(TestDirectory::default());
        let guard = Arc::new(TestGuard::default());
        let store = directory.store.clone();
        let ports = Ports {
            directory: directory.clone(),
            guard: guard.clone(),
            store: store.clone(),
            visits: store.clone(),
            tokens: None,
            clock: clock.clone(),
            random: random.clone(),
        };
        let service = Service::new(ports, settings)?;
        Ok(Self { clock, random, directory, guard, store, service })
    }

    /// An account with a key of its own in these groups.
    pub(crate) async fn account(&self, name: &str, groups: &[&str]) -> RequestSigner {
        let name = AccountName::new(name).unwrap();
        let groups = groups.iter().map(|group| GroupName::new(group).unwrap()).collect();
        let mut id = [0; 16];
        self.random.fill(&mut id);
        let new = NewAccount { id: AccountId(Uuid::from_bytes(id)), name: name.clone(), groups };
        self.store.create_account(&self.act(), new).await.unwrap();
        let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
        self.add_key(&name, key.public_key()).await;
        RequestSigner::new(name, key)
    }

    pub(crate) async fn add_key(&self, account: &AccountName, key: &PublicKey) {
        let new = NewPublicKey { key: key.clone(), comment: String::new(), expires_at: None };
        self.store.add_public_key(&self.act(), account, new).await.unwrap();
    }

    /// An act of the test's own.
    pub(crate) fn act(&self) -> Act {
        Act { actor: "the-test".into(), at: self.clock.now(), from: None }
    }

    pub(crate) fn authorization(&self, signer: &RequestSigner) -> String {
        signer.authorization(&*self.clock, &*self.random).unwrap()
    }

    /// The public routes as a peer with the usual address sees them.
    pub(crate) fn public(&self) -> Router {
        public_from(&self.service, PEER)
    }

    /// The internal routes, asked from the usual address.
    pub(crate) fn internal(&self) -> Router {
        from_peer(self.service.internal(), PEER)
    }

    /// A call that an operator signs, as its client sends it.
    pub(crate) fn signed(
        &self,
        operator: &RequestSigner,
        method: &str,
        path: &str,
        body: &str,
    ) -> Request<Body> {
        signed((&self.clock, &self.random), operator, (method, path, body))
    }

    /// What an operator's call is answered.
    pub(crate) async fn call(
        &self,
        operator: &RequestSigner,
        method: &str,
        path: &str,
        body: &str,
    ) -> Answer {
        answer(self.internal(), self.signed(operator, method, path, body)).await
    }

    /// One question of a gateway, with this credential.
    pub(crate) async fn ask(&self, authorization: &str) -> Answer {
        let request = Request::get("/forward-auth").header("authorization", authorization);
        answer(self.public(), request.body(Body::empty()).unwrap()).await
    }
}

/// The call with this method, path and body, signed for just that.
pub(crate) fn signed(
    (clock, random): (&TestClock, &TestRandom),
    operator: &RequestSigner,
    (method, path, body): (&str, &str, &str),
) -> Request<Body> {
    let binding = RequestBinding::of(method, &format!("http://{HOST}{path}"), body.as_bytes());
    let to = BoundTo { audience: INSTANCE, request: &binding };
    let authorization = operator.bound_authorization(clock, random, &to).unwrap();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", HOST)
        .header("authorization", authorization)
        .header("content-type", "application/json");
    request.body(Body::from(body.to_owned())).unwrap()
}

/// The public routes as that peer sees them.
pub(crate) fn public_from(service: &Service, peer: &str) -> Router {
    from_peer(Router::new().fallback_service(service.public()), peer)
}

pub(crate) fn from_peer(router: Router, peer: &str) -> Router {
    router.layer(axum::Extension(PeerAddress(peer.parse().unwrap())))
}

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("<absent>", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} is there more than once");
        value
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the problem that this answer is.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem: Problem = self.json();
        assert_eq!(problem.status, self.status.as_u16());
        assert!(!problem.detail.is_empty());
        problem.code().to_owned()
    }

    /// Without the one header that differs from answer to answer.
    pub(crate) fn without_request_id(mut self) -> Self {
        assert!(self.headers.remove("x-request-id").is_some());
        self
    }
}

pub(crate) async fn answer(router: Router, request: Request<Body>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = router.clone().oneshot(request).await.unwrap();
    let answer = read(response).await;
    documented::check(&router, &method, &path, &answer).await;
    answer
}

pub(crate) async fn read(response: Response) -> Answer {
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: head.status,
        headers: head.headers,
        // Lossy: the files of the page come compressed.
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

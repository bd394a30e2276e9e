//! The layer in front of a service that answers who called.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_core::ports::{
    AccountKeys, Directory, DirectoryError, GuardError, RegisteredKey, ReplayGuard, ReplayKey,
    Spend,
};
use countersign_core::{
    AccountId, AccountName, Authenticator, Clock, Identity, KeyKind, Policy, PrivateKey, Random,
    RequestSigner, UnixTime,
};
use countersign_tower::AuthenticateLayer;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixTime {
        NOW
    }
}

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

struct OneAccount(Arc<AccountKeys>);

#[async_trait]
impl Directory for OneAccount {
    async fn find(&self, name: &AccountName) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        Ok((*name == self.0.name).then(|| Arc::clone(&self.0)))
    }
}

/// Remembers every use for ever, or is down.
enum Guard {
    Up(Mutex<HashSet<ReplayKey>>),
    Down,
}

#[async_trait]
impl ReplayGuard for Guard {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        match self {
            Self::Up(uses) if uses.lock().unwrap().insert(spend.key) => Ok(()),
            Self::Up(_) => Err(GuardError::Replayed),
            Self::Down => Err(GuardError::Unavailable("stopped by the test".into())),
        }
    }
}

fn setup(guard: Guard) -> (Arc<Authenticator>, RequestSigner) {
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let name = AccountName::new("worker").unwrap();
    let account = AccountKeys {
        id: AccountId(uuid::Uuid::from_u128(1)),
        name: name.clone(),
        groups: Arc::new([]),
        disabled: false,
        api_keys: Vec::new(),
        tokens_revoked_at: None,
        keys: vec![RegisteredKey {
            key: key.public_key().clone(),
            kid: None,
            algorithm: None,
            expires_at: None,
            revoked: false,
        }],
    };
    let directory = Arc::new(OneAccount(Arc::new(account)));
    let authenticator =
        Authenticator::new(Policy::default(), directory, Arc::new(guard), Arc::new(Fixed));
    (Arc::new(authenticator), RequestSigner::new(name, key))
}

async fn call(layer: &AuthenticateLayer, authorization: Option<&str>) -> Response<String> {
    let service = layer.layer(tower::service_fn(|request: Request<()>| async move {
        let caller = request.extensions().get::<Identity>();
        let name = caller.map_or("nobody", |identity| identity.account().as_str());
        Ok::<_, Infallible>(Response::new(name.to_owned()))
    }));
    let mut request = Request::new(());
    if let Some(value) = authorization {
        request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
    }
    service.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_required_layer_lets_a_proved_caller_through_once() {
    let (authenticator, signer) = setup(Guard::Up(Mutex::default()));
    let layer = AuthenticateLayer::required(authenticator);
    let header = signer.authorization(&Fixed, &Fixed).unwrap();

    assert_eq!(call(&layer, Some(&header)).await.body(), "worker");
    for refused in [Some(header.as_str()), Some("JWT a.b.c"), None] {
        let answer = call(&layer, refused).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], "JWT");
        assert_eq!(answer.body(), "");
    }
}

#[tokio::test]
async fn an_optional_layer_makes_a_refused_caller_nobody() {
    let (authenticator, signer) = setup(Guard::Up(Mutex::default()));
    let layer = AuthenticateLayer::optional(authenticator);
    let header = signer.authorization(&Fixed, &Fixed).unwrap();

    assert_eq!(call(&layer, Some(&header)).await.body(), "worker");
    assert_eq!(call(&layer, Some(&header)).await.body(), "nobody");
    assert_eq!(call(&layer, None).await.body(), "nobody");
}

#[tokio::test]
async fn an_outage_is_neither_a_refusal_nor_an_anonymous_caller() {
    let (authenticator, signer) = setup(Guard::Down);
    for layer in [
        AuthenticateLayer::required(authenticator.clone()),
        AuthenticateLayer::optional(authenticator.clone()),
    ] {
        let header = signer.authorization(&Fixed, &Fixed).unwrap();
        let answer = call(&layer, Some(&header)).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
    }
}

#[tokio::test]
async fn an_identity_from_elsewhere_does_not_pass() {
    let (authenticator, signer) = setup(Guard::Up(Mutex::default()));
    let identity = {
        let mut headers = http::HeaderMap::new();
        let header = signer.authorization(&Fixed, &Fixed).unwrap();
        headers.insert(AUTHORIZATION, header.parse().unwrap());
        authenticator.authenticate(&headers, None).await.unwrap()
    };
    let service = AuthenticateLayer::optional(authenticator).layer(tower::service_fn(
        |request: Request<()>| async move {
            let known = request.extensions().get::<Identity>().is_some();
            Ok::<_, Infallible>(Response::new(known.to_string()))
        },
    ));
    let mut request = Request::new(());
    request.extensions_mut().insert(identity);
    assert_eq!(service.oneshot(request).await.unwrap().body(), "false");
}

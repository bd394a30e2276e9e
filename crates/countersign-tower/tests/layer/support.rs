//! A service behind a layer, and those who call it.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_core::ports::{
    AccountKeys, Directory, DirectoryError, GuardError, RegisteredKey, ReplayGuard, ReplayKey,
    Spend, TokenValidator, ValidatorError,
};
use countersign_core::{
    AccountId, AccountName, Algorithm, Clock, GroupName, HmacAlgorithm, Issuer, KeyKind,
    PrivateKey, Random, RequestSigner, SharedSecret, UnixTime,
};
use countersign_tower::{
    BearerTokens, GuardedBody, Identity, Policy, PolicyBuilder, RequireAuth, SignedRequests,
};
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::{Layer, Service, ServiceExt as _};

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const SECRET: &[u8] = b"a shared secret that nobody guesses, whoever tries";

/// Always the same instant, and always the next number.
pub(crate) struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixTime {
        NOW
    }
}

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        use std::sync::atomic::{AtomicU8, Ordering};
        static NEXT: AtomicU8 = AtomicU8::new(0);
        bytes.fill(NEXT.fetch_add(1, Ordering::Relaxed));
    }
}

/// A directory of one account.
pub(crate) struct OneAccount(pub(crate) Arc<AccountKeys>);

#[async_trait]
impl Directory for OneAccount {
    async fn find(&self, name: &AccountName) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        Ok((*name == self.0.name).then(|| Arc::clone(&self.0)))
    }
}

/// Remembers every use for ever, is down, or never answers.
pub(crate) enum Guard {
    Up(Mutex<HashSet<ReplayKey>>),
    Down,
    Stuck,
}

#[async_trait]
impl ReplayGuard for Guard {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        match self {
            Self::Up(uses) if uses.lock().unwrap().insert(spend.key) => Ok(()),
            Self::Up(_) => Err(GuardError::Replayed),
            Self::Down => Err(GuardError::Unavailable("stopped by the test".into())),
            Self::Stuck => std::future::pending().await,
        }
    }
}

/// What a validator answers about every token.
pub(crate) struct Validator(pub(crate) Result<bool, ValidatorError>);

#[async_trait]
impl TokenValidator for Validator {
    async fn validate(&self, _: &str) -> Result<bool, ValidatorError> {
        self.0.clone()
    }
}

pub(crate) fn secret() -> SharedSecret {
    SharedSecret::new(SECRET).unwrap()
}

pub(crate) fn issuer() -> Issuer {
    Issuer::with_secret(secret(), HmacAlgorithm::Hs256)
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

pub(crate) fn pair() -> PrivateKey {
    PrivateKey::generate(KeyKind::Ed25519).unwrap()
}

pub(crate) fn key_issuer(pair: &PrivateKey) -> Issuer {
    Issuer::with_key(pair.clone(), Algorithm::EdDsa)
}

pub(crate) fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

/// An account `worker` in the group `ops`, and the one who signs for it.
pub(crate) fn account() -> (AccountKeys, RequestSigner) {
    let (key, name) = (pair(), AccountName::new("worker").unwrap());
    let registered = RegisteredKey {
        key: key.public_key().clone(),
        kid: None,
        algorithm: None,
        expires_at: None,
        revoked: false,
    };
    let account = AccountKeys {
        id: AccountId(uuid::Uuid::from_u128(1)),
        name: name.clone(),
        groups: [group("ops")].into(),
        disabled: false,
        api_keys: Vec::new(),
        tokens_revoked_at: None,
        keys: vec![registered],
    };
    (account, RequestSigner::new(name, key))
}

pub(crate) fn signed_requests(account: AccountKeys, guard: Guard) -> SignedRequests {
    SignedRequests::of(Arc::new(OneAccount(Arc::new(account))), Arc::new(guard))
}

pub(crate) fn built(policy: PolicyBuilder) -> Policy {
    policy.clock(Arc::new(Fixed)).build().unwrap()
}

/// A policy with the shared secret.
pub(crate) fn with_secret() -> Policy {
    built(Policy::accepting(BearerTokens::shared_secret(secret())))
}

/// Answers who called.
pub(crate) async fn who(request: Request<()>) -> Result<Response<String>, Infallible> {
    let caller = Identity::find(request.extensions());
    let name = caller.map_or("nobody", |identity| identity.account().as_str());
    Ok(Response::new(name.to_owned()))
}

/// An answer with its body read.
pub(crate) async fn answer<S>(service: S, request: Request<()>) -> Response<String>
where
    S: Service<Request<()>, Response = Response<GuardedBody<String>>, Error = Infallible>,
{
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Response::from_parts(head, String::from_utf8(bytes.into()).unwrap())
}

/// What a service behind a layer answers to a request with this `Authorization`.
pub(crate) async fn call<L>(layer: &L, authorization: Option<&str>) -> Response<String>
where
    L: Layer<tower::util::ServiceFn<fn(Request<()>) -> BoxedAnswer>>,
    L::Service: Service<Request<()>, Response = Response<GuardedBody<String>>, Error = Infallible>,
{
    let service = layer.layer(tower::service_fn(boxed_who as fn(_) -> _));
    answer(service, with_authorization(authorization)).await
}

pub(crate) type BoxedAnswer =
    futures_util::future::BoxFuture<'static, Result<Response<String>, Infallible>>;

fn boxed_who(request: Request<()>) -> BoxedAnswer {
    Box::pin(who(request))
}

pub(crate) fn with_authorization(authorization: Option<&str>) -> Request<()> {
    let mut request = Request::new(());
    if let Some(value) = authorization {
        request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
    }
    request
}

/// The account that a policy takes the bearer of this header for, or the status.
pub(crate) async fn outcome(policy: &Policy, authorization: &str) -> Result<String, u16> {
    let answer = call(&RequireAuth::new(policy.clone()), Some(authorization)).await;
    match answer.status().as_u16() {
        200 => Ok(answer.into_body()),
        status => Err(status),
    }
}

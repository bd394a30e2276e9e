//! From an endpoint that an operator adds to a request that is accepted.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{Act, AdminStore, EndpointStatus, NewAccount, NewPublicKey};
use countersign_core::{
    AccountId, AccountName, AuthenticationError, Authenticator, Clock, PrivateKey, Reason,
    RequestSigner, SignedRequestPolicy,
};
use countersign_store::replay::{ReplayLimits, ReplayWheel};
use countersign_store::{JwksRules, LiveDirectory, MemoryStore, RemoteJwks};
use countersign_system::SystemRandom;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use uuid::Uuid;

use crate::support::{Internet, Page, PausedClock, START, URL, Zeros, key};

/// A server without its sockets, with one account called `device`.
struct Service {
    internet: Arc<Internet>,
    clock: Arc<PausedClock>,
    store: Arc<MemoryStore>,
    directory: LiveDirectory,
    authenticator: Authenticator,
}

impl Service {
    async fn start() -> Self {
        let store = Arc::new(MemoryStore::default());
        let new = NewAccount { id: AccountId(Uuid::from_u128(1)), name: device(), groups: vec![] };
        store.create_account(&act(), new).await.unwrap();
        Self::start_on(store, Internet::new()).await
    }

    /// Starts on what an earlier server left.
    async fn start_on(store: Arc<MemoryStore>, internet: Arc<Internet>) -> Self {
        let clock = PausedClock::new();
        let jwks = RemoteJwks::new(
            JwksRules::default(),
            Arc::clone(&internet) as _,
            Arc::clone(&clock) as _,
            Arc::new(Zeros),
        );
        let directory = LiveDirectory::start(Arc::clone(&store) as _, Some(Arc::new(jwks)));
        let limits = ReplayLimits::with_capacity(1000);
        let guard = ReplayWheel::new(limits, Arc::clone(&clock) as _, &SystemRandom);
        let authenticator = Authenticator::new(
            SignedRequestPolicy::default(),
            Arc::new(directory.clone()),
            Arc::new(guard),
            Arc::clone(&clock) as _,
        );
        directory.completed().await;
        Self { internet, clock, store, directory, authenticator }
    }

    async fn trust(&self, url: &str) {
        self.directory.add_jwks_endpoint(&act(), &device(), url).await.unwrap();
    }

    /// What becomes of a fresh request that this key signs.
    async fn request(&self, key: &PrivateKey) -> Result<(), Reason> {
        let signer = RequestSigner::new(device(), key.clone());
        let value = signer.authorization(&*self.clock, &SystemRandom).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        match self.authenticator.authenticate(&headers, None).await {
            Ok(_) => Ok(()),
            Err(AuthenticationError::Refused(refusal)) => Err(refusal.reason),
            Err(unavailable) => panic!("{unavailable}"),
        }
    }
}

fn device() -> AccountName {
    AccountName::new("device").unwrap()
}

fn act() -> Act {
    Act { actor: "operator".into(), at: START, from: None }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_trusted_from_its_first_fetch_until_it_is_removed() {
    let (service, key) = (Service::start().await, key());
    service.internet.publish(URL, Page::Keys(vec![key.clone()]));
    assert_eq!(service.request(&key).await, Err(Reason::KeyUnknown));
    service.trust(URL).await;
    service.internet.until(0).await;
    assert_eq!(service.request(&key).await, Ok(()));

    let removed = service.directory.remove_jwks_endpoint(&act(), &device(), URL).await;
    assert_eq!(removed, Ok(true));
    assert_eq!(service.request(&key).await, Err(Reason::KeyUnknown), "on the next request");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_server_fetches_the_endpoints_it_finds() {
    let (service, key) = (Service::start().await, key());
    service.internet.publish(URL, Page::Keys(vec![key.clone()]));
    service.trust(URL).await;
    service.internet.until(0).await;
    let Service { internet, store, directory, .. } = service;
    directory.close().await.unwrap();

    let service = Service::start_on(store, internet).await;
    service.internet.until(1).await;
    assert_eq!(service.request(&key).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn no_request_waits_for_an_endpoint_that_hangs() {
    let (service, registered, published) = (Service::start().await, key(), key());
    let new = NewPublicKey {
        key: registered.public_key().clone(),
        comment: String::new(),
        expires_at: None,
    };
    service.directory.add_public_key(&act(), &device(), new).await.unwrap();
    service.internet.publish(URL, Page::Hangs);
    let before = service.clock.now();
    service.trust(URL).await;
    assert_eq!(service.request(&registered).await, Ok(()));
    assert_eq!(service.request(&published).await, Err(Reason::KeyUnknown));
    // In paused time a wait would have moved the clock.
    assert_eq!(service.clock.now(), before);
}

#[tokio::test(start_paused = true)]
async fn a_request_with_an_unknown_kid_brings_the_new_key_in() {
    let (service, old, new) = (Service::start().await, key(), key());
    service.internet.publish(URL, Page::Keys(vec![old]));
    service.trust(URL).await;
    service.internet.until(60).await;
    service.internet.publish(URL, Page::Keys(vec![new.clone()]));
    assert_eq!(service.request(&new).await, Err(Reason::KeyUnknown));
    service.internet.until(61).await;
    assert_eq!(service.request(&new).await, Ok(()));
    assert_eq!(service.internet.asked(URL), [0, 60]);
}

#[tokio::test(start_paused = true)]
async fn keys_are_accepted_for_an_hour_without_a_fetch_and_no_longer() {
    let (service, key) = (Service::start().await, key());
    service.internet.publish(URL, Page::Keys(vec![key.clone()]));
    service.trust(URL).await;
    service.internet.until(0).await;
    service.internet.publish(URL, Page::Down);
    service.internet.until(3598).await;
    assert_eq!(service.request(&key).await, Ok(()));
    service.internet.until(3600).await;
    assert_eq!(service.request(&key).await, Err(Reason::KeyExpired));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_revoked_is_not_let_in_by_an_endpoint() {
    let (service, key) = (Service::start().await, key());
    let public = key.public_key().clone();
    let fingerprint = public.fingerprints().openssh();
    let new = NewPublicKey { key: public, comment: String::new(), expires_at: None };
    service.directory.add_public_key(&act(), &device(), new).await.unwrap();
    service.internet.publish(URL, Page::Keys(vec![key.clone()]));
    service.trust(URL).await;
    service.internet.until(0).await;
    assert_eq!(service.request(&key).await, Ok(()));
    service.directory.revoke_public_key(&act(), &device(), &fingerprint).await.unwrap();
    assert_eq!(service.request(&key).await, Err(Reason::KeyRevoked));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_is_fetched_for_no_longer() {
    let (service, key) = (Service::start().await, key());
    service.internet.publish(URL, Page::Keys(vec![key.clone()]));
    service.trust(URL).await;
    service.internet.until(0).await;
    assert_eq!(service.directory.delete_account(&act(), &device()).await, Ok(true));
    assert_eq!(service.request(&key).await, Err(Reason::AccountUnknown));
    service.internet.until(1000).await;
    assert_eq!(service.internet.asked(URL), [0]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_sees_how_the_fetching_goes() {
    let (service, key) = (Service::start().await, key());
    service.internet.publish(URL, Page::Keys(vec![key]));
    service.trust(URL).await;
    service.internet.until(0).await;
    service.internet.publish(URL, Page::Down);
    service.internet.until(300).await;
    let endpoints = service.directory.jwks_endpoints(&device()).await.unwrap().unwrap();
    let expected = EndpointStatus {
        attempted_at: Some(START + Duration::from_mins(5)),
        fetched_at: Some(START),
        keys: 1,
        skipped: vec![],
        error: Some("answered 503 instead of 200".into()),
    };
    assert_eq!(endpoints[0].status, Some(expected));
}

//! When endpoints are fetched and for how long their keys hold, in paused time:
//! waiting for an hour takes no time and is exact.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::ports::AccountKeys;
use countersign_core::{
    AccountId, AccountName, AwsLc, Clock, Decoys, PrivateKey, Reason, RequestSigner,
    SignedRequestPolicy, UnverifiedToken, Verification,
};
use countersign_store::{ChangeListener, EndpointKeys, JwksRules, RemoteJwks};
use tokio::time::sleep;
use uuid::Uuid;

use crate::support::{Internet, Page, PausedClock, START, URL, Zeros, key};

const ALICE: AccountId = AccountId(Uuid::from_u128(1));
const BOB: AccountId = AccountId(Uuid::from_u128(2));

struct World {
    internet: Arc<Internet>,
    jwks: RemoteJwks,
    clock: Arc<PausedClock>,
    told: Arc<Mutex<Vec<AccountId>>>,
}

impl World {
    fn new() -> Self {
        let (internet, clock) = (Internet::new(), PausedClock::new());
        let jwks = RemoteJwks::new(
            JwksRules::default(),
            Arc::clone(&internet) as _,
            Arc::clone(&clock) as _,
            Arc::new(Zeros),
        );
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener: ChangeListener = {
            let told = Arc::clone(&told);
            Box::new(move |account| told.lock().unwrap().push(account))
        };
        jwks.tell(listener);
        Self { internet, jwks, clock, told }
    }

    fn trust(&self, account: AccountId, urls: &[&str]) {
        let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
        self.jwks.set_endpoints(account, &urls);
    }

    /// Whether a token that `key` signs now is accepted, by what is known of
    /// the account now.
    fn verify(&self, key: &PrivateKey) -> Result<(), Reason> {
        let name = AccountName::new("device").unwrap();
        let account = Arc::new(AccountKeys {
            id: ALICE,
            name: name.clone(),
            groups: [].into(),
            disabled: false,
            keys: self.jwks.keys(ALICE),
            api_keys: Vec::new(),
            tokens_revoked_at: None,
        });
        let token = RequestSigner::new(name, key.clone()).token(&*self.clock, &Zeros).unwrap();
        let (policy, decoys) = (SignedRequestPolicy::default(), Decoys::default());
        let with = Verification {
            policy: &policy,
            verifier: &AwsLc,
            decoys: &decoys,
            now: self.clock.now(),
            request: None,
        };
        UnverifiedToken::parse(&token)?.verify(Some(&account), &with).map(drop)
    }
}

/// Lets whatever is due until then happen.
async fn until(world: &World, seconds: u64) {
    world.internet.until(seconds).await;
}

#[tokio::test(start_paused = true)]
async fn a_set_is_fetched_when_its_endpoint_is_added_and_every_five_minutes() {
    let (world, old, new) = (World::new(), key(), key());
    world.internet.publish(URL, Page::Keys(vec![old.clone()]));
    world.trust(ALICE, &[URL]);
    assert_eq!(world.verify(&old), Err(Reason::KeyUnknown), "it is not there yet");

    until(&world, 0).await;
    assert_eq!(world.verify(&old), Ok(()));
    assert_eq!(*world.told.lock().unwrap(), [ALICE]);
    let status = world.jwks.status(URL).unwrap();
    assert_eq!((status.keys, status.fetched_at, status.error), (1, Some(START), None));

    world.internet.publish(URL, Page::Keys(vec![new.clone()]));
    until(&world, 299).await;
    assert_eq!((world.verify(&old), world.verify(&new)), (Ok(()), Err(Reason::KeyUnknown)));
    until(&world, 300).await;
    assert_eq!((world.verify(&old), world.verify(&new)), (Err(Reason::KeyUnknown), Ok(())));
    until(&world, 900).await;
    assert_eq!(world.internet.asked(URL), [0, 300, 600, 900]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kid_brings_the_next_fetch_forward_at_most_every_thirty_seconds() {
    let (world, old, new) = (World::new(), key(), key());
    world.internet.publish(URL, Page::Keys(vec![old]));
    world.trust(ALICE, &[URL]);
    until(&world, 0).await;
    world.internet.publish(URL, Page::Keys(vec![new.clone()]));

    // An attacker who sends a hundred of them a second causes no more.
    for second in 1..=95 {
        for _ in 0..100 {
            world.jwks.unknown_key(ALICE);
        }
        until(&world, second).await;
    }
    assert_eq!(world.internet.asked(URL), [0, 30, 60, 90]);
    assert_eq!(world.verify(&new), Ok(()));

    // The last of them is still open. Once the cooldown is over, one is
    // answered at once.
    until(&world, 200).await;
    assert_eq!(world.internet.asked(URL), [0, 30, 60, 90, 120]);
    world.jwks.unknown_key(ALICE);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(world.internet.asked(URL), [0, 30, 60, 90, 120, 200]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kid_of_another_account_fetches_nothing() {
    let world = World::new();
    world.internet.publish(URL, Page::Keys(vec![key()]));
    world.trust(ALICE, &[URL]);
    until(&world, 0).await;
    world.jwks.unknown_key(BOB);
    until(&world, 200).await;
    assert_eq!(world.internet.asked(URL), [0]);
}

#[tokio::test(start_paused = true)]
async fn failures_keep_the_old_set_for_one_hour_after_the_last_success() {
    let (world, key) = (World::new(), key());
    world.internet.publish(URL, Page::Keys(vec![key.clone()]));
    world.trust(ALICE, &[URL]);
    until(&world, 300).await;
    world.internet.publish(URL, Page::Down);

    until(&world, 600).await;
    let status = world.jwks.status(URL).unwrap();
    assert_eq!(status.fetched_at, Some(START + Duration::from_mins(5)));
    assert_eq!(status.attempted_at, Some(START + Duration::from_mins(10)));
    assert_eq!(status.error.as_deref(), Some("answered 503 instead of 200"));
    assert_eq!(status.keys, 1);

    // The last success was at 300 s.
    until(&world, 300 + 3598).await;
    assert_eq!(world.verify(&key), Ok(()));
    until(&world, 300 + 3600).await;
    assert_eq!(world.verify(&key), Err(Reason::KeyExpired));

    world.internet.publish(URL, Page::Keys(vec![key.clone()]));
    until(&world, 300 + 3600 + 300).await;
    assert_eq!(world.verify(&key), Ok(()));
    assert_eq!(world.jwks.status(URL).unwrap().error, None);
}

#[tokio::test(start_paused = true)]
async fn a_failed_fetch_is_tried_again_ever_later() {
    let world = World::new();
    world.trust(ALICE, &[URL]);
    until(&world, 1100).await;
    assert_eq!(world.internet.asked(URL), [0, 30, 90, 210, 450, 750, 1050]);
    assert_eq!(*world.told.lock().unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_an_endpoint_that_hangs() {
    let (world, known, other) = (World::new(), key(), "https://other.example/");
    world.internet.publish(URL, Page::Hangs);
    world.internet.publish(other, Page::Keys(vec![known.clone()]));
    // None of these is a future: there is nothing that could wait.
    world.trust(ALICE, &[URL, other]);
    world.jwks.unknown_key(ALICE);
    assert!(world.jwks.keys(ALICE).is_empty());
    until(&world, 1).await;
    assert_eq!(world.verify(&known), Ok(()));
    assert_eq!(world.jwks.status(URL).unwrap().attempted_at, None);
}

#[tokio::test(start_paused = true)]
async fn many_accounts_at_one_url_cause_one_fetch() {
    let world = World::new();
    world.internet.publish(URL, Page::Keys(vec![key()]));
    world.trust(ALICE, &[URL, "https://ISSUER.example:443/jwks.json"]);
    world.trust(BOB, &[URL]);
    until(&world, 0).await;
    assert_eq!(world.internet.asked(URL), [0]);
    assert_eq!((world.jwks.keys(ALICE).len(), world.jwks.keys(BOB).len()), (1, 1));
    let mut told = world.told.lock().unwrap().clone();
    told.sort();
    assert_eq!(told, [ALICE, BOB]);

    // A third finds the set there already.
    let carol = AccountId(Uuid::from_u128(3));
    world.trust(carol, &[URL]);
    assert_eq!(world.jwks.keys(carol).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn removing_an_endpoint_takes_effect_at_once() {
    let (world, key) = (World::new(), key());
    world.internet.publish(URL, Page::Keys(vec![key.clone()]));
    world.trust(ALICE, &[URL]);
    world.trust(BOB, &[URL]);
    until(&world, 0).await;
    world.trust(ALICE, &[]);
    assert_eq!(world.verify(&key), Err(Reason::KeyUnknown));
    until(&world, 300).await;
    assert_eq!(world.internet.asked(URL), [0, 300], "BOB is trusted through it still");
    assert_eq!(*world.told.lock().unwrap().last().unwrap(), BOB);

    world.trust(BOB, &[]);
    assert_eq!(world.jwks.status(URL), None);
    until(&world, 2000).await;
    assert_eq!(world.internet.asked(URL), [0, 300]);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_fetches_go_on_at_once() {
    let world = World::new();
    let urls: Vec<String> = (0..100).map(|n| format!("https://issuer.example/{n}")).collect();
    for url in &urls {
        world.internet.publish(url, Page::Hangs);
    }
    world.jwks.set_endpoints(ALICE, &urls);
    until(&world, 60).await;
    assert_eq!(world.internet.asked_in_all(), 64);

    // Those that are removed make room for the others.
    world.jwks.set_endpoints(ALICE, &urls[64..]);
    until(&world, 61).await;
    assert_eq!(world.internet.asked_in_all(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_url_that_the_rules_do_not_allow_is_not_fetched_and_says_why() {
    let (world, plain) = (World::new(), "http://issuer.example/jwks.json");
    world.internet.publish(plain, Page::Keys(vec![key()]));
    world.trust(ALICE, &[plain]);
    until(&world, 600).await;
    assert!(world.internet.asked(plain).is_empty());
    assert!(world.jwks.status(plain).unwrap().error.unwrap().contains("https://"));
}

#[tokio::test(start_paused = true)]
async fn dropping_it_ends_the_fetching() {
    let world = World::new();
    world.internet.publish(URL, Page::Keys(vec![key()]));
    world.trust(ALICE, &[URL]);
    until(&world, 0).await;
    let World { internet, jwks, .. } = world;
    drop(jwks);
    sleep(Duration::from_hours(1)).await;
    assert_eq!(internet.asked(URL), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_two_endpoints_publish_holds_as_long_as_either_vouches_for_it() {
    let (world, key, other) = (World::new(), key(), "https://other.example/");
    for url in [URL, other] {
        world.internet.publish(url, Page::Keys(vec![key.clone()]));
    }
    world.trust(ALICE, &[URL, other]);
    until(&world, 0).await;
    world.internet.publish(URL, Page::Down);
    until(&world, 3600).await;
    assert_eq!(world.jwks.keys(ALICE).len(), 1);
    assert_eq!(world.verify(&key), Ok(()));
}

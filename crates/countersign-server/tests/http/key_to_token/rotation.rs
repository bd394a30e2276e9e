//! Rotation of signing keys: no good token is refused, and no verifier meets a key that
//! it could not know.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::{Algorithm, KeyKind, PrivateKey, Rotation};
use countersign_server::ChangeRingError;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::tokens::{IDENTIFIER, On, TokenWorld, on_each_database};

on_each_database!(
    tokens_from_before_during_and_after_a_rotation_validate,
    a_reader_with_a_copy_of_five_minutes_never_meets_an_unknown_key,
    the_ring_rotates_by_itself,
    a_compromised_key_is_refused_at_once,
    a_key_from_elsewhere_signs_when_it_is_its_turn,
    a_key_that_signs_cannot_be_retired,
);

fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn published(world: &TokenWorld) -> HashSet<String> {
    let jwks: Value = world.get("/jwks", &[]).await.json();
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn buy(world: &TokenWorld) -> String {
    let answer = world.authenticate("a key", IDENTIFIER).await;
    answer.json::<Value>()["jwt"].as_str().unwrap().to_owned()
}

async fn tokens_from_before_during_and_after_a_rotation_validate(on: On) {
    let world = Arc::new(TokenWorld::new(on).await);
    let (before, _) = world.session("a key", IDENTIFIER).await;
    world.clock.advance(10 * 60);
    let rotated = Arc::new(AtomicBool::new(false));
    let mut buyers = JoinSet::new();
    for _ in 0..8 {
        let (world, rotated) = (Arc::clone(&world), Arc::clone(&rotated));
        buyers.spawn(async move {
            let mut bought = Vec::new();
            loop {
                let last = rotated.load(Ordering::SeqCst);
                let jwt = buy(&world).await;
                assert_eq!(world.validate(&jwt).await.status, 200);
                bought.push(jwt);
                if last {
                    return bought;
                }
            }
        });
    }
    world.tokens.ring().rotate_on_schedule(&world.act()).await.unwrap();
    rotated.store(true, Ordering::SeqCst);
    let mut bought: Vec<String> = buyers.join_all().await.into_iter().flatten().collect();
    bought.push(before);
    let kids: HashSet<_> = bought.iter().map(|jwt| kid(jwt)).collect();
    assert_eq!(kids.len(), 2);
    for seconds in [0, 4 * 60] {
        world.clock.advance(seconds);
        for jwt in &bought {
            assert_eq!(world.validate(jwt).await.status, 200);
        }
    }
    assert_eq!(published(&world).await.len(), 3, "retired, active and the next standby");
}

async fn a_reader_with_a_copy_of_five_minutes_never_meets_an_unknown_key(on: On) {
    let world = TokenWorld::new(on).await;
    world.session("a key", IDENTIFIER).await;
    let mut copy = published(&world).await;
    let mut rotations = 0;
    for minute in 0..120 {
        if minute % 5 == 0 {
            copy = published(&world).await;
        }
        if world.tokens.ring().rotate_on_schedule(&world.act()).await.is_ok() {
            rotations += 1;
        }
        assert!(copy.contains(&kid(&buy(&world).await)), "minute {minute}");
        world.clock.advance(60);
    }
    assert_eq!(rotations, 11, "as often as the standby has been published long enough");
}

async fn the_ring_rotates_by_itself(on: On) {
    let world = TokenWorld::new(on).await;
    let (first, _) = world.session("a key", IDENTIFIER).await;
    world.tokens.maintain().await;
    assert_eq!(kid(&buy(&world).await), kid(&first));
    world.clock.advance(90 * 24 * 60 * 60);
    world.tokens.maintain().await;
    let second = buy(&world).await;
    assert_ne!(kid(&second), kid(&first));
    assert_eq!(published(&world).await.len(), 3);
    world.clock.advance(60 * 60);
    assert_eq!(published(&world).await.len(), 2, "the first has gone");
}

async fn a_compromised_key_is_refused_at_once(on: On) {
    let world = TokenWorld::new(on).await;
    let (stolen, _) = world.session("a key", IDENTIFIER).await;
    assert_eq!(world.validate(&stolen).await.status, 200);
    let ring = world.tokens.ring();
    let early = ring.rotate_on_schedule(&world.act()).await;
    // The first rotation has nobody to wait for but its own standby.
    assert!(matches!(early, Err(ChangeRingError::Rotation(_))), "{early:?}");
    ring.rotate(&world.act(), Rotation::Compromised).await.unwrap();
    assert_eq!(world.validate(&stolen).await.status, 401);
    assert!(!published(&world).await.contains(&kid(&stolen)));
    assert_eq!(world.validate(&buy(&world).await).await.status, 200);
}

async fn a_key_from_elsewhere_signs_when_it_is_its_turn(on: On) {
    let world = TokenWorld::new(on).await;
    world.session("a key", IDENTIFIER).await;
    let ring = world.tokens.ring();
    world.clock.advance(1);
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let name = Some("theirs/2026");
    let import = async |key: &PrivateKey, algorithm| {
        ring.import(&world.act(), key.clone(), (algorithm, name)).await
    };
    assert!(matches!(import(&key, Algorithm::Es256).await, Err(ChangeRingError::Algorithm(..))));
    import(&key, Algorithm::EdDsa).await.unwrap();
    assert!(matches!(import(&key, Algorithm::EdDsa).await, Err(ChangeRingError::Exists(_))));
    assert!(published(&world).await.contains("theirs/2026"));
    for _ in 0..2 {
        world.clock.advance(10 * 60);
        ring.rotate_on_schedule(&world.act()).await.unwrap();
    }
    let jwt = buy(&world).await;
    assert_eq!(kid(&jwt), "theirs/2026");
    assert_eq!(world.validate(&jwt).await.status, 200);
}

async fn a_key_that_signs_cannot_be_retired(on: On) {
    let world = TokenWorld::new(on).await;
    let (jwt, _) = world.session("a key", IDENTIFIER).await;
    let ring = world.tokens.ring();
    let retire = async |kid: &str| ring.retire(&world.act(), kid).await;
    assert!(matches!(retire(&kid(&jwt)).await, Err(ChangeRingError::Active(_))));
    assert!(matches!(retire("x").await, Err(ChangeRingError::NoSuchKey(_))));
    let before = published(&world).await;
    let standby = before.iter().find(|name| **name != kid(&jwt)).unwrap().clone();
    retire(&standby).await.unwrap();
    let after = published(&world).await;
    assert!(!after.contains(&standby) && after.len() == 2, "another one stands by");

    world.clock.advance(10 * 60);
    ring.rotate_on_schedule(&world.act()).await.unwrap();
    assert_eq!(world.validate(&jwt).await.status, 200);
    retire(&kid(&jwt)).await.unwrap();
    assert_eq!(world.validate(&jwt).await.status, 401);
}

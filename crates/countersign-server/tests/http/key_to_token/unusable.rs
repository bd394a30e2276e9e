//! Signing keys that are damaged, or sealed under another encryption key: operators get rid
//! of them with the commands that they have.

use std::sync::Arc;

use countersign_core::ports::{SecretName, SharedSigningKeys as _, SigningKeyRecord};
use countersign_core::ports::{SigningKeyStore as _, UnreadableSigningKey};
use countersign_core::{EncryptionKey, Rotation, SigningKeyState};
use countersign_server::{
    ChangeRingError, LiveKeyRing, OpenRingError, RingSettings, change_encryption_key,
};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::support::tokens::{IDENTIFIER, On, TokenWorld, on_each_database};

on_each_database!(
    a_damaged_key_that_signs_is_replaced,
    a_damaged_key_that_signs_can_be_retired,
    a_key_that_is_sealed_otherwise_can_be_retired,
    a_ring_of_which_no_key_can_be_used_is_replaced,
    whoever_has_the_wrong_encryption_key_retires_nothing,
);

/// Runs a statement behind the server's back, and has it look.
async fn tamper(world: &TokenWorld, statement: &'static str) {
    if world.url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(&world.url).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = PgConnection::connect(&world.url).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    world.tokens.ring().read_again().await.unwrap();
}

const DAMAGE_THE_ACTIVE: &str =
    "UPDATE countersign_signing_keys SET algorithm = 'XX512' WHERE activated_at IS NOT NULL";

fn unusable(world: &TokenWorld) -> Vec<String> {
    let keys = world.tokens.ring().unusable_keys();
    keys.into_iter().map(|UnreadableSigningKey { kid, .. }| kid.into()).collect()
}

/// The names of the keys that can be used, the active one first.
fn usable(world: &TokenWorld) -> Vec<String> {
    names(world.tokens.ring())
}

fn names(ring: &LiveKeyRing) -> Vec<String> {
    let mut keys = ring.keys();
    keys.sort_by_key(|(_, state)| *state != SigningKeyState::Active);
    keys.into_iter().map(|(key, _)| key.kid.into()).collect()
}

async fn published(world: &TokenWorld) -> usize {
    let jwks: Value = world.get("/jwks", &[]).await.json();
    jwks["keys"].as_array().unwrap().len()
}

async fn opened_again(
    world: &TokenWorld,
    encryption_key: &EncryptionKey,
) -> Result<LiveKeyRing, OpenRingError> {
    let ports = (world.clock.clone() as _, world.random.clone() as _);
    let store = Arc::new(world.store.clone());
    LiveKeyRing::open(store, encryption_key.clone(), RingSettings::default(), ports).await
}

/// Nothing of the key is in anybody's way any more.
async fn expect_it_is_gone(world: &TokenWorld, kid: &str) {
    assert_eq!(unusable(world), [""; 0]);
    assert!(!usable(world).iter().any(|of| of == kid));
    let ring = opened_again(world, &world.encryption_key).await.unwrap();
    assert_eq!(ring.unusable_keys(), []);
    let sealed = world.store.sealed().await.unwrap();
    assert!(sealed.iter().all(|(name, _)| *name != SecretName::SigningKey(kid.into())));
    let next = EncryptionKey::generate(&*world.random);
    let keys = (&world.encryption_key, &next);
    let sealed = change_encryption_key(&world.store, &world.act(), keys, &*world.random).await;
    assert!(sealed.is_ok(), "the encryption key can be replaced: {sealed:?}");
}

async fn a_damaged_key_that_signs_is_replaced(on: On) {
    let world = TokenWorld::new(on).await;
    let [damaged, standby] = usable(&world).try_into().unwrap();
    let (former, _) = world.session("a key", IDENTIFIER).await;
    tamper(&world, DAMAGE_THE_ACTIVE).await;
    assert_eq!((unusable(&world), published(&world).await), (vec![damaged.clone()], 1));
    let found = opened_again(&world, &world.encryption_key).await.unwrap().unusable_keys();
    assert_eq!(found.len(), 1, "a restart does not make it worse");

    let ring = world.tokens.ring();
    ring.rotate(&world.act(), Rotation::Compromised).await.unwrap();
    assert_eq!(usable(&world)[0], standby);
    assert_eq!(published(&world).await, 2);
    assert_eq!(world.validate(&former).await.status, 401);
    let (token, _) = world.session("another key", IDENTIFIER).await;
    assert_eq!(world.validate(&token).await.status, 200);
    expect_it_is_gone(&world, &damaged).await;
}

async fn a_damaged_key_that_signs_can_be_retired(on: On) {
    let world = TokenWorld::new(on).await;
    let [damaged, standby] = usable(&world).try_into().unwrap();
    tamper(&world, DAMAGE_THE_ACTIVE).await;
    let ring = world.tokens.ring();
    ring.retire(&world.act(), &damaged).await.unwrap();
    assert_eq!(usable(&world), std::slice::from_ref(&standby));
    ring.retire(&world.act(), &damaged).await.expect("what is gone can go");
    let refused = ring.retire(&world.act(), "another").await;
    assert!(matches!(refused, Err(ChangeRingError::NoSuchKey(_))), "{refused:?}");
    ring.rotate(&world.act(), Rotation::Compromised).await.unwrap();
    assert_eq!(usable(&world)[0], standby);
    expect_it_is_gone(&world, &damaged).await;
}

async fn a_key_that_is_sealed_otherwise_can_be_retired(on: On) {
    let world = TokenWorld::new(on).await;
    let ring = world.tokens.ring();
    let stored = world.store.signing_keys().await.unwrap().into_iter().map(Result::unwrap);
    let other = EncryptionKey::generate(&*world.random);
    let foreign = SigningKeyRecord {
        kid: "-foreign".into(),
        sealed: Some(other.seal("signing-key", "-foreign", b"a secret", &*world.random)),
        ..stored.clone().last().unwrap()
    };
    let before = usable(&world);
    assert!(world.store.add_signing_key(&world.act(), &foreign).await.unwrap());
    ring.read_again().await.unwrap();
    assert_eq!((unusable(&world), usable(&world)), (vec!["-foreign".to_owned()], before.clone()));
    ring.retire(&world.act(), "-foreign").await.unwrap();
    assert_eq!(usable(&world), before);
    expect_it_is_gone(&world, "-foreign").await;
}

async fn a_ring_of_which_no_key_can_be_used_is_replaced(on: On) {
    let world = TokenWorld::new(on).await;
    let [signed, stood_by] = usable(&world).try_into().unwrap();
    tamper(&world, "UPDATE countersign_signing_keys SET spki = sealed").await;
    assert_eq!((unusable(&world).len(), published(&world).await), (2, 0));
    opened_again(&world, &world.encryption_key).await.expect("what opens else proves the key");

    let ring = world.tokens.ring();
    ring.rotate(&world.act(), Rotation::Compromised).await.unwrap();
    assert_eq!((unusable(&world), published(&world).await), (vec![stood_by.clone()], 2));
    ring.retire(&world.act(), &stood_by).await.unwrap();
    let (token, _) = world.session("a key", IDENTIFIER).await;
    assert_eq!(world.validate(&token).await.status, 200);
    expect_it_is_gone(&world, &signed).await;
}

async fn whoever_has_the_wrong_encryption_key_retires_nothing(on: On) {
    let world = TokenWorld::new(on).await;
    let [signs, standby] = usable(&world).try_into().unwrap();
    let next = EncryptionKey::generate(&*world.random);
    let keys = (&world.encryption_key, &next);
    change_encryption_key(&world.store, &world.act(), keys, &*world.random).await.unwrap();
    let ring = world.tokens.ring();
    ring.read_again().await.unwrap();
    assert_eq!(unusable(&world).len(), 2);
    for kid in [&signs, &standby] {
        let refused = ring.retire(&world.act(), kid).await;
        let is_wrong =
            matches!(refused, Err(ChangeRingError::Open(OpenRingError::WrongEncryptionKey(_))));
        assert!(is_wrong, "{refused:?}");
    }
    let refused = ring.rotate(&world.act(), Rotation::Compromised).await;
    assert!(refused.is_err(), "{refused:?}");
    let ring = opened_again(&world, &next).await.unwrap();
    assert_eq!(names(&ring), [signs, standby]);

    // Without the secret that tells which key is right, none is taken for right.
    tamper(&world, "DELETE FROM countersign_secrets").await;
    assert!(opened_again(&world, &world.encryption_key).await.is_err());
}

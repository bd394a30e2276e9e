//! Signing keys: begun once, rotated on condition, and other sealed secrets.

use std::sync::Arc;

use countersign_core::ports::{Resealed, SecretName, SigningKeyRecord, SigningKeyStore};
use countersign_core::{Algorithm, RotationStep, Sealed, UnixTime};
use tokio::task::JoinSet;

use super::{act, cases, fresh_key};

cases!(SigningKeyStore:
    a_ring_is_begun_once,
    a_key_is_stored_as_it_was_given,
    a_rotation_is_made_once,
    a_rotation_that_cannot_be_made_changes_nothing,
    a_key_that_signs_is_not_dropped,
    a_key_that_signs_is_discarded_with_its_secret,
    a_secret_is_what_was_brought_first,
    everything_is_sealed_anew_or_nothing,
);

fn key(kid: &str) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: kid.into(),
        algorithm: Algorithm::EdDsa,
        public_key: fresh_key(),
        sealed: Some(Sealed::from_bytes([1, 2, 3])),
        published_at: UnixTime::from_secs(1),
        activated_at: None,
        retired_at: None,
        gone_at: None,
    }
}

fn active(kid: &str) -> SigningKeyRecord {
    SigningKeyRecord { activated_at: Some(UnixTime::from_secs(1)), ..key(kid) }
}

fn step(activate: &str, retire: &[&str]) -> RotationStep {
    RotationStep {
        activate: activate.into(),
        retire: retire.iter().map(|kid| (*kid).into()).collect(),
        at: UnixTime::from_secs(10),
        gone_at: UnixTime::from_secs(20),
    }
}

async fn all(store: &dyn SigningKeyStore) -> Vec<SigningKeyRecord> {
    let keys = store.signing_keys().await.expect("the keys");
    keys.into_iter().map(|key| key.expect("a readable key")).collect()
}

/// Each key's name and how far it is.
async fn ring(store: &dyn SigningKeyStore) -> Vec<(String, [Option<i64>; 3])> {
    let mut keys = all(store).await;
    keys.sort_by(|a, b| a.kid.cmp(&b.kid));
    let seconds = |at: Option<UnixTime>| at.map(UnixTime::as_secs);
    let of = |key: &SigningKeyRecord| [key.activated_at, key.retired_at, key.gone_at].map(seconds);
    keys.iter().map(|key| (key.kid.to_string(), of(key))).collect()
}

async fn a_ring_is_begun_once(store: Arc<dyn SigningKeyStore>) {
    let mut beginning = JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&store);
        beginning.spawn(async move {
            let keys = [active(&format!("a{number}")), key(&format!("b{number}"))];
            store.begin_ring(&act(1), &keys).await.expect("an answer")
        });
    }
    let begun = beginning.join_all().await;
    assert_eq!(begun.iter().filter(|begun| **begun).count(), 1);
    assert_eq!(ring(&*store).await.len(), 2);
}

async fn a_key_is_stored_as_it_was_given(store: Arc<dyn SigningKeyStore>) {
    let given = SigningKeyRecord { sealed: None, ..active("a") };
    assert_eq!(store.add_signing_key(&act(1), &given).await, Ok(true));
    assert_eq!(store.add_signing_key(&act(1), &key("a")).await, Ok(false));
    let kept = all(&*store).await;
    assert_eq!(format!("{kept:?}"), format!("{:?}", [given]));
}

async fn a_rotation_is_made_once(store: Arc<dyn SigningKeyStore>) {
    store.begin_ring(&act(1), &[active("a"), key("b")]).await.expect("an answer");
    let mut rotating = JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&store);
        rotating.spawn(async move {
            let standby = key(&format!("c{number}"));
            store.rotate_signing_keys(&act(10), &step("b", &["a"]), &standby).await.expect("it")
        });
    }
    let rotated = rotating.join_all().await;
    assert_eq!(rotated.iter().filter(|rotated| **rotated).count(), 1);
    let ring = ring(&*store).await;
    assert_eq!(ring.len(), 3);
    assert_eq!(ring[0], ("a".to_owned(), [Some(1), Some(10), Some(20)]));
    assert_eq!(ring[1], ("b".to_owned(), [Some(10), None, None]));
}

async fn a_rotation_that_cannot_be_made_changes_nothing(store: Arc<dyn SigningKeyStore>) {
    store.begin_ring(&act(1), &[active("a"), key("b")]).await.expect("an answer");
    let before = ring(&*store).await;
    for (step, standby) in [
        (step("x", &["a"]), "c"),
        (step("a", &[]), "c"),
        (step("b", &["x"]), "c"),
        (step("b", &["a"]), "a"),
    ] {
        let rotated = store.rotate_signing_keys(&act(10), &step, &key(standby)).await;
        assert_eq!(rotated, Ok(false), "{step:?}");
        assert_eq!(ring(&*store).await, before, "{step:?}");
    }
}

async fn a_key_that_signs_is_not_dropped(store: Arc<dyn SigningKeyStore>) {
    store.begin_ring(&act(1), &[active("a"), key("b")]).await.expect("an answer");
    let drop = async |kid: &str| {
        store.retire_signing_key(&act(5), kid, UnixTime::from_secs(5)).await.expect("an answer")
    };
    assert!(!drop("a").await);
    assert!(!drop("x").await);
    assert!(drop("b").await);
    assert_eq!(ring(&*store).await[1], ("b".to_owned(), [None, Some(5), Some(5)]));
}

async fn a_key_that_signs_is_discarded_with_its_secret(store: Arc<dyn SigningKeyStore>) {
    store.begin_ring(&act(1), &[active("a"), key("b")]).await.expect("an answer");
    let discard = async |kid: &str| store.discard_signing_key(&act(5), kid).await.expect("it");
    assert!(!discard("x").await);
    assert!(discard("a").await);
    let at = act(5).at.as_secs();
    assert_eq!(ring(&*store).await[0], ("a".to_owned(), [Some(1), Some(at), Some(at)]));
    let sealed = store.sealed().await.expect("an answer");
    let names: Vec<_> = sealed.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [SecretName::SigningKey("b".into())]);
}

async fn a_secret_is_what_was_brought_first(store: Arc<dyn SigningKeyStore>) {
    let (first, second) = (Sealed::from_bytes([1]), Sealed::from_bytes([2]));
    assert_eq!(store.secret("a", &first).await, Ok(first.clone()));
    assert_eq!(store.secret("a", &second).await, Ok(first));
    assert_eq!(store.secret("b", &second).await, Ok(second));
}

async fn everything_is_sealed_anew_or_nothing(store: Arc<dyn SigningKeyStore>) {
    let public_only = SigningKeyRecord { sealed: None, ..key("c") };
    store.begin_ring(&act(1), &[active("a"), key("b"), public_only]).await.expect("an answer");
    store.secret("hashing", &Sealed::from_bytes([9])).await.expect("an answer");
    let sealed = async || {
        let mut sealed = store.sealed().await.expect("an answer");
        sealed.sort_by_key(|(name, _)| format!("{name:?}"));
        sealed
    };
    let before = sealed().await;
    assert_eq!(before.len(), 3);
    let anew = |(name, former): &(SecretName, Sealed)| Resealed {
        name: name.clone(),
        former: former.clone(),
        next: Sealed::from_bytes([7, 7]),
    };
    let all: Vec<Resealed> = before.iter().map(anew).collect();
    let mut stale = all.clone();
    stale[2].former = Sealed::from_bytes([8]);
    for wrong in [&all[..2], &stale[..], &[]] {
        assert_eq!(store.reseal(&act(2), wrong).await, Ok(false));
        assert_eq!(sealed().await, before, "nothing is changed");
    }
    assert_eq!(store.reseal(&act(2), &all).await, Ok(true));
    assert!(sealed().await.iter().all(|(_, sealed)| sealed.as_bytes() == [7, 7]));
    assert_eq!(store.reseal(&act(3), &all).await, Ok(false), "they are no longer as they were");
}

//! Links into the console and its sessions: good for a time, a link once, few for each.

use std::sync::Arc;

use countersign_core::ports::{Visit, VisitKind, VisitStore};
use countersign_core::{KeyKind, PrivateKey, SecretHash, UnixTime};
use tokio::task::JoinSet;

use super::{create, id, name};
use crate::registry::RegistryStore;

/// A registry, and the visits of its accounts.
pub(super) type Stores = (Arc<dyn RegistryStore>, Arc<dyn VisitStore>);

/// Runs the cases of this file.
pub(super) async fn run(fresh: &impl AsyncFn() -> Stores) {
    a_visit_is_found_by_its_secret_and_kind(fresh().await).await;
    a_visit_ends_with_its_time_and_a_session_can_be_prolonged(fresh().await).await;
    of_many_who_use_a_link_one_gets_it(fresh().await).await;
    where_one_has_too_many_those_that_end_first_go(fresh().await).await;
    visits_go_with_their_account(fresh().await).await;
}

fn secret(number: u8) -> SecretHash {
    SecretHash::from_bytes([number; 32])
}

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

/// The visit of an account that is there.
async fn visitor((registry, number): (&dyn RegistryStore, u128), ends_at: i64) -> Visit {
    let called = format!("ada-{number}");
    if registry.account(&name(&called)).await.expect("an answer").is_none() {
        create(registry, number, &called, &[]).await;
    }
    let key = PrivateKey::generate(KeyKind::Ed25519).expect("a key").public_key().clone();
    Visit { account: id(number), name: name(&called), key, began_at: at(1), ends_at: at(ends_at) }
}

async fn a_visit_is_found_by_its_secret_and_kind((registry, visits): Stores) {
    let visit = visitor((&*registry, 1), 60).await;
    visits.keep_visit((VisitKind::Link, &secret(1)), &visit, 8).await.expect("kept");
    for _ in 0..2 {
        let found = visits.visit(VisitKind::Link, &secret(1), at(1)).await;
        assert_eq!(found, Ok(Some(visit.clone())));
    }
    assert_eq!(visits.visit(VisitKind::Link, &secret(2), at(1)).await, Ok(None));
    assert_eq!(visits.visit(VisitKind::Session, &secret(1), at(1)).await, Ok(None));
    assert_eq!(visits.end_visit(VisitKind::Session, &secret(1), at(1)).await, Ok(None));
    assert_eq!(visits.end_visit(VisitKind::Link, &secret(1), at(1)).await, Ok(Some(visit)));
    assert_eq!(visits.visit(VisitKind::Link, &secret(1), at(1)).await, Ok(None));
}

async fn a_visit_ends_with_its_time_and_a_session_can_be_prolonged((registry, visits): Stores) {
    let visit = visitor((&*registry, 1), 60).await;
    let [session, link] = [1, 2].map(secret);
    for (kind, secret) in [(VisitKind::Session, &session), (VisitKind::Link, &link)] {
        visits.keep_visit((kind, secret), &visit, 8).await.expect("kept");
        assert_eq!(visits.visit(kind, secret, at(59)).await, Ok(Some(visit.clone())));
        assert_eq!(visits.visit(kind, secret, at(60)).await, Ok(None));
    }
    visits.prolong_session(&session, at(90)).await.expect("prolonged");
    let prolonged = Visit { ends_at: at(90), ..visit };
    assert_eq!(visits.visit(VisitKind::Session, &session, at(89)).await, Ok(Some(prolonged)));
    // Never shortened, whichever server is late with its word.
    visits.prolong_session(&session, at(70)).await.expect("an answer");
    assert!(visits.visit(VisitKind::Session, &session, at(89)).await.expect("it").is_some());
    assert_eq!(visits.end_visit(VisitKind::Session, &session, at(90)).await, Ok(None));
    visits.prolong_session(&secret(9), at(90)).await.expect("nothing to do");
}

async fn of_many_who_use_a_link_one_gets_it((registry, visits): Stores) {
    let visit = visitor((&*registry, 1), 60).await;
    visits.keep_visit((VisitKind::Link, &secret(1)), &visit, 8).await.expect("kept");
    let mut using = JoinSet::new();
    for _ in 0..8 {
        let visits = Arc::clone(&visits);
        using.spawn(async move { visits.end_visit(VisitKind::Link, &secret(1), at(2)).await });
    }
    let used = using.join_all().await;
    let got = used.iter().filter(|used| matches!(used, Ok(Some(_)))).count();
    assert_eq!(got, 1, "{used:?}");
}

async fn where_one_has_too_many_those_that_end_first_go((registry, visits): Stores) {
    let other = visitor((&*registry, 2), 10).await;
    visits.keep_visit((VisitKind::Link, &secret(0)), &other, 2).await.expect("kept");
    for (number, ends_at) in [(1, 90), (2, 60), (3, 70)] {
        let visit = visitor((&*registry, 1), ends_at).await;
        visits.keep_visit((VisitKind::Link, &secret(number)), &visit, 2).await.expect("kept");
    }
    let session = visitor((&*registry, 1), 60).await;
    visits.keep_visit((VisitKind::Session, &secret(4)), &session, 2).await.expect("kept");
    let is_there = async |kind, number| {
        visits.visit(kind, &secret(number), at(2)).await.expect("an answer").is_some()
    };
    assert!(!is_there(VisitKind::Link, 2).await);
    assert!(is_there(VisitKind::Link, 1).await && is_there(VisitKind::Link, 3).await);
    assert!(is_there(VisitKind::Link, 0).await, "nobody takes another's place");
    assert!(is_there(VisitKind::Session, 4).await, "nor another kind's");
}

async fn visits_go_with_their_account((registry, visits): Stores) {
    let visit = visitor((&*registry, 1), 60).await;
    visits.keep_visit((VisitKind::Session, &secret(1)), &visit, 2).await.expect("kept");
    registry.delete_account(&super::act(2), &name("ada-1")).await.expect("an answer");
    assert_eq!(visits.visit(VisitKind::Session, &secret(1), at(2)).await, Ok(None));
    // Nor is one kept for an account that is gone.
    visits.keep_visit((VisitKind::Session, &secret(2)), &visit, 2).await.expect("an answer");
    assert_eq!(visits.visit(VisitKind::Session, &secret(2), at(2)).await, Ok(None));
}

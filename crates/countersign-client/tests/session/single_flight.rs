//! However many ask, one renewal.

use std::sync::Arc;

use countersign_client::{AccessToken, Session, SessionError};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::{Reply, Server, key};

const ASKERS: usize = 64;

/// Lets tasks ask, and the service answer when all of them have.
async fn all_ask(server: &Server, session: &Session) -> Vec<Result<AccessToken, SessionError>> {
    let gate = server.gate();
    let all_asked = Arc::new(Barrier::new(ASKERS + 1));
    let mut tasks = JoinSet::new();
    for _ in 0..ASKERS {
        let (session, all_asked) = (session.clone(), Arc::clone(&all_asked));
        // The first is polled first, so it has asked when the second waits.
        tasks.spawn(async move { tokio::join!(session.access_token(), all_asked.wait()).0 });
    }
    all_asked.wait().await;
    gate.add_permits(ASKERS);
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_tasks_ask_the_service_is_asked_once() {
    let server = Server::start();
    let session = server.session(key());
    let outcomes = all_ask(&server, &session).await;
    let first = outcomes[0].clone().unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(first.clone())));
    assert_eq!(server.paths(), ["authenticate"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_tasks_ask_a_refusal_is_asked_for_once() {
    let server = Server::start();
    server.will("authenticate", [Reply::Status(401)]);
    let outcomes = all_ask(&server, &server.session(key())).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Err(SessionError::KeyRefused)));
    assert_eq!(server.paths(), ["authenticate"]);
}

#[tokio::test]
async fn a_caller_that_goes_away_stops_nobody() {
    let server = Server::start();
    let session = server.session(key());
    let gate = server.gate();
    let first = tokio::spawn({
        let session = session.clone();
        async move { session.access_token().await }
    });
    server.has_seen(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    assert!(session.access_token().await.is_ok());
    assert_eq!(server.paths(), ["authenticate"]);
}

#[test]
fn a_runtime_that_goes_away_stops_nobody() {
    let server = Server::start();
    let session = server.session(key());
    let gate = server.gate();
    let first = Runtime::new().unwrap();
    first.spawn({
        let session = session.clone();
        async move { session.access_token().await }
    });
    let second = Runtime::new().unwrap();
    second.block_on(server.has_seen(1));
    drop(first);
    gate.add_permits(2);
    assert!(second.block_on(session.access_token()).is_ok());
    assert_eq!(server.paths(), ["authenticate", "authenticate"]);
}

#[tokio::test]
async fn exactly_the_refused_token_is_invalidated() {
    let server = Server::start();
    let session = server.session(key());
    let first = session.access_token().await.unwrap();
    session.invalidate(&first);
    let second = session.access_token().await.unwrap();
    assert_ne!(second, first);
    session.invalidate(&first);
    assert_eq!(session.access_token().await.unwrap(), second);
    assert_eq!(server.paths(), ["authenticate", "refresh"]);
}

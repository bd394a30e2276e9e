//! When a token is renewed, and with what.

use countersign_client::{AccessToken, Credentials, Session, SessionError};

use crate::support::{LIFETIME, Reply, Server, WATCHDOG, held, key, refresh_token};

/// A minute before the end and no sooner.
const AHEAD: i64 = 60;

/// Asks until the renewal that runs beside it is done.
async fn next_token(session: &Session, last: &AccessToken) -> AccessToken {
    let renewed = async {
        loop {
            let token = session.access_token().await.unwrap();
            if token != *last {
                return token;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WATCHDOG, renewed).await.unwrap()
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_and_nobody_waits() {
    let server = Server::start();
    let session = server.session(key());
    let first = session.access_token().await.unwrap();
    let gate = server.gate();
    server.clock.advance(LIFETIME - AHEAD - 1);
    assert_eq!(session.access_token().await.unwrap(), first);
    assert_eq!(server.paths(), ["authenticate"]);
    server.clock.advance(1);
    // The service says nothing yet, and still there is a token.
    for _ in 0..10 {
        assert_eq!(session.access_token().await.unwrap(), first);
    }
    server.has_seen(2).await;
    assert_eq!(session.access_token().await.unwrap(), first);
    gate.add_permits(1);
    next_token(&session, &first).await;
    assert_eq!(server.paths(), ["authenticate", "refresh"]);
}

#[tokio::test]
async fn in_the_last_seconds_calls_wait_for_the_next_token() {
    let server = Server::start();
    let session = server.session(key());
    let first = session.access_token().await.unwrap();
    server.clock.advance(LIFETIME - AHEAD / 10);
    assert_ne!(session.access_token().await.unwrap(), first);
}

#[tokio::test]
async fn a_token_that_is_still_good_outlives_an_outage() {
    let server = Server::start();
    let session = server.session(key());
    let first = session.access_token().await.unwrap();
    server.clock.advance(LIFETIME - 6);
    server.will("refresh", [Reply::Status(503), Reply::Status(503), Reply::Status(503)]);
    assert_eq!(session.access_token().await.unwrap(), first);
    assert_eq!(server.seen().len(), 4);
    // The service gets a rest.
    server.clock.advance(4);
    assert_eq!(session.access_token().await.unwrap(), first);
    assert_eq!(server.seen().len(), 4);
    server.clock.advance(1);
    assert_ne!(session.access_token().await.unwrap(), first);
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn a_token_that_is_still_good_outlives_the_key() {
    let server = Server::start();
    let given = held(&server.clock, LIFETIME - 3);
    let session = server.session(Credentials::from(key()).and_access_token(given.clone()));
    server.will("authenticate", [Reply::Status(401)]);
    for _ in 0..3 {
        assert_eq!(session.access_token().await.unwrap(), given);
    }
    server.clock.advance(3);
    assert_eq!(session.access_token().await, Err(SessionError::KeyRefused));
    assert_eq!(server.paths(), ["authenticate"]);
}

#[tokio::test]
async fn the_lifetime_is_counted_whatever_the_clocks_say() {
    for ahead in [-1_000_000, 1_000_000] {
        let server = Server::start();
        server.is_ahead(ahead);
        let session = server.session(key());
        let first = session.access_token().await.unwrap();
        server.clock.advance(LIFETIME - AHEAD - 1);
        assert_eq!(session.access_token().await.unwrap(), first, "{ahead}");
        server.clock.advance(AHEAD + 1);
        assert_ne!(session.access_token().await.unwrap(), first, "{ahead}");
        assert_eq!(server.paths(), ["authenticate", "refresh"], "{ahead}");
    }
}

#[tokio::test]
async fn a_refused_refresh_token_is_dropped_for_good_and_the_key_used() {
    let server = Server::start();
    let session = server.session(Credentials::from(key()).and_refresh_token(refresh_token(9)));
    server.will("refresh", [Reply::Status(401)]);
    session.access_token().await.unwrap();
    assert_eq!(server.paths(), ["refresh", "authenticate"]);
    // With the key came another refresh token.
    assert_eq!(session.refresh_token().unwrap().reveal(), refresh_token(1).reveal());
    server.clock.advance(LIFETIME);
    session.access_token().await.unwrap();
    let last = server.seen().pop().unwrap();
    assert_eq!(last.body["refresh_token"], refresh_token(1).reveal());
}

#[tokio::test]
async fn a_refused_refresh_token_without_a_key_is_the_end() {
    let server = Server::start();
    let session = server.session(refresh_token(9));
    server.will("refresh", [Reply::Status(401)]);
    for _ in 0..3 {
        let error = session.access_token().await.unwrap_err();
        assert_eq!(error, SessionError::RefreshTokenRefused);
        assert!(error.is_final());
    }
    assert_eq!(server.paths(), ["refresh"]);
    assert!(session.refresh_token().is_none());
}

#[tokio::test]
async fn a_refused_key_is_the_end() {
    let server = Server::start();
    let session = server.session(Credentials::from(key()).and_refresh_token(refresh_token(9)));
    server.will("refresh", [Reply::Status(401)]);
    server.will("authenticate", [Reply::Status(401)]);
    for _ in 0..3 {
        let error = session.clone().access_token().await.unwrap_err();
        assert_eq!(error, SessionError::KeyRefused);
        assert!(error.is_final());
    }
    assert_eq!(server.paths(), ["refresh", "authenticate"]);
}

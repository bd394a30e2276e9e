//! What a session starts from.

use countersign_client::{Credentials, SessionError};
use serde_json::{Value, json};

use crate::support::{IDENTIFIER, KEY, LIFETIME, Server, held, key, refresh_token};

#[tokio::test]
async fn a_key_is_exchanged_once_and_the_token_kept() {
    let server = Server::start();
    let session = server.session(key());
    assert!(session.refresh_token().is_none());
    let token = session.access_token().await.unwrap();
    assert_eq!(session.access_token().await.unwrap(), token);
    assert_eq!(session.refresh_token().unwrap().reveal(), refresh_token(1).reveal());
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/authenticate");
    assert_eq!(seen[0].headers["content-type"], "application/json");
    assert_eq!(seen[0].body, json!({ "key": KEY, "identifier": IDENTIFIER }));
}

#[tokio::test]
async fn a_refresh_token_is_enough_and_is_kept_when_no_other_is_given() {
    let server = Server::start();
    let session = server.session(refresh_token(7));
    session.access_token().await.unwrap();
    server.clock.advance(LIFETIME);
    session.access_token().await.unwrap();
    let body = json!({ "refresh_token": refresh_token(7).reveal(), "identifier": IDENTIFIER });
    let bodies: Vec<Value> = server.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [body.clone(), body]);
    assert_eq!(server.paths(), ["refresh", "refresh"]);
}

#[tokio::test]
async fn a_held_token_is_used_to_its_end_and_then_there_is_nothing_left() {
    let server = Server::start();
    let given = held(&server.clock, 100);
    let session = server.session(given.clone());
    for seconds in [LIFETIME - 101, 1] {
        assert_eq!(session.access_token().await.unwrap(), given);
        server.clock.advance(seconds);
    }
    let error = session.access_token().await.unwrap_err();
    assert_eq!(error, SessionError::NothingLeft);
    assert!(error.is_final());
    assert_eq!(server.paths(), [""; 0]);
}

#[tokio::test]
async fn a_held_token_that_is_over_is_renewed_with_what_else_there_is() {
    let server = Server::start();
    let over = || held(&server.clock, LIFETIME);
    let with_key = Credentials::from(key()).and_access_token(over());
    let with_both = Credentials::from(over()).and_refresh_token(refresh_token(1)).and_key(key());
    for credentials in [with_key, with_both] {
        assert_ne!(server.session(credentials).access_token().await.unwrap(), over());
    }
    assert_eq!(server.paths(), ["authenticate", "refresh"]);
}

#[tokio::test]
async fn a_token_without_a_readable_end_is_good_until_it_is_refused() {
    let server = Server::start();
    let given = countersign_client::AccessToken::new("opaque").unwrap();
    let session = server.session(Credentials::from(key()).and_access_token(given.clone()));
    server.clock.advance(1_000_000);
    assert_eq!(session.access_token().await.unwrap(), given);
    session.invalidate(&given);
    assert_ne!(session.access_token().await.unwrap(), given);
    assert_eq!(server.paths(), ["authenticate"]);
}

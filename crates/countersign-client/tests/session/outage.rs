//! What passes is waited for; what does not is said at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_client::{CallError, RetryPolicy, Service, Session, SessionError};
use tokio::net::TcpListener;

use crate::support::{IDENTIFIER, QUICK, Reply, Server, key};

#[tokio::test]
async fn a_busy_service_is_asked_again() {
    for status in [429, 502, 503, 504] {
        let server = Server::start();
        server.will("authenticate", [Reply::Status(status), Reply::Busy(1)]);
        assert!(server.session(key()).access_token().await.is_ok(), "{status}");
        assert_eq!(server.seen().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn after_the_last_attempt_the_error_is_of_this_call_only() {
    let server = Server::start();
    let session = server.session(key());
    server.will("authenticate", [Reply::Busy(1), Reply::Busy(2), Reply::Busy(3)]);
    let error = session.access_token().await.unwrap_err();
    let busy = CallError::Busy { status: 503, retry_after: Some(Duration::from_secs(3)) };
    assert_eq!(error, SessionError::Call(busy));
    assert!(!error.is_final());
    assert!(session.access_token().await.is_ok());
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_busy_refresh_does_not_fall_back_to_the_key() {
    let server = Server::start();
    let session = server.session(key());
    session.access_token().await.unwrap();
    server.clock.advance(1000);
    server.will("refresh", [Reply::Status(503), Reply::Status(503), Reply::Status(503)]);
    assert!(session.access_token().await.is_err());
    assert!(session.refresh_token().is_some());
    assert_eq!(server.paths(), ["authenticate", "refresh", "refresh", "refresh"]);
}

#[tokio::test]
async fn without_a_connection_it_is_tried_again_and_the_reason_said() {
    // Each connection is taken and dropped, which cannot be told from a crash.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    tokio::spawn({
        let connections = Arc::clone(&connections);
        async move {
            while let Ok(connection) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                drop(connection);
            }
        }
    });
    let service = Service::at(url).with_retries(QUICK).build().unwrap();
    let error = Session::new(service, IDENTIFIER, key()).access_token().await.unwrap_err();
    let SessionError::Call(CallError::Unreachable(text)) = &error else { panic!("{error:?}") };
    assert!(!text.is_empty());
    assert!(!error.is_final());
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_service_that_says_nothing_is_given_up() {
    let server = Server::start();
    let _never = server.gate();
    let retries = RetryPolicy { attempt_time: Duration::from_millis(20), ..QUICK };
    let service = server.service().with_retries(retries).build().unwrap();
    let error = Session::new(service, IDENTIFIER, key()).access_token().await.unwrap_err();
    assert_eq!(error, SessionError::Call(CallError::TooSlow(Duration::from_millis(20))));
}

#[tokio::test]
async fn what_does_not_pass_is_asked_once_and_is_not_final() {
    for status in [400, 403, 404, 405, 409, 500] {
        let server = Server::start();
        let session = server.session(key());
        server.will("authenticate", [Reply::Status(status)]);
        let error = session.access_token().await.unwrap_err();
        assert_eq!(error, SessionError::Call(CallError::Status(status)));
        assert!(!error.is_final());
        assert_eq!(server.seen().len(), 1);
        assert!(session.access_token().await.is_ok());
    }
}

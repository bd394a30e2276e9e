//! The blocking variants, within a runtime and without.

use countersign_client::{SessionError, blocking};
use serde_json::json;

use crate::support::{IDENTIFIER, Reply, Server, key};

/// Everything that blocks, and dropping it.
fn use_it(server: &Server) {
    let session = blocking::Session::new(server.session(key())).unwrap();
    let first = session.access_token().unwrap();
    assert_eq!(session.access_token().unwrap(), first);
    session.invalidate(&first);
    assert_ne!(session.clone().access_token().unwrap(), first);
    assert!(session.inner().refresh_token().is_some());
    assert_eq!(server.paths(), ["authenticate", "refresh"]);

    let internal = countersign_client::InternalClient::new(server.service().build().unwrap());
    let internal = blocking::InternalClient::new(internal).unwrap();
    let registered = Reply::Json(json!({ "result": true, "message": null }));
    server.will("register_key", [registered.clone()]);
    server.will("is_key_registered", [registered]);
    internal.register_key(&key(), IDENTIFIER).unwrap();
    assert_eq!(internal.is_key_registered(&key()), Ok(true));

    let refused = blocking::Session::new(server.session(key())).unwrap();
    server.will("authenticate", [Reply::Status(401)]);
    assert_eq!(refused.access_token(), Err(SessionError::KeyRefused));
}

#[test]
fn it_works_without_a_runtime() {
    use_it(&Server::start());
}

#[tokio::test]
async fn it_works_within_a_runtime_of_one_thread() {
    use_it(&Server::start());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_within_a_runtime_of_many_threads() {
    use_it(&Server::start());
}

#[test]
fn threads_share_one_renewal() {
    let server = Server::start();
    let session = blocking::Session::new(server.session(key())).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| session.access_token().unwrap());
        }
    });
    assert_eq!(server.paths(), ["authenticate"]);
}

#[tokio::test]
async fn a_session_that_was_renewed_by_a_thread_that_ended_goes_on() {
    let server = Server::start();
    let session = server.session(key());
    let first = {
        let blocking = blocking::Session::new(session.clone()).unwrap();
        blocking.access_token().unwrap()
    };
    assert_eq!(session.access_token().await.unwrap(), first);
    session.invalidate(&first);
    assert_ne!(session.access_token().await.unwrap(), first);
}

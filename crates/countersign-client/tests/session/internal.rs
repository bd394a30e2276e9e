//! Registering keys.

use countersign_client::{CallError, InternalClient, RegisterKeyError};
use serde_json::json;

use crate::support::{IDENTIFIER, KEY, Reply, Server, key};

fn result(result: bool) -> Reply {
    Reply::Json(json!({ "result": result, "message": null }))
}

#[tokio::test]
async fn a_key_is_registered() {
    let server = Server::start();
    let client = InternalClient::new(server.service().build().unwrap());
    server.will("register_key", [Reply::Busy(1), result(true)]);
    client.register_key(&key(), IDENTIFIER).await.unwrap();
    assert_eq!(server.paths(), ["register_key", "register_key"]);
    assert_eq!(server.seen()[1].body, json!({ "key": KEY, "identifier": IDENTIFIER }));
}

#[tokio::test]
async fn whether_a_key_is_registered_is_asked_without_an_identifier() {
    let server = Server::start();
    let client = InternalClient::new(server.service().build().unwrap());
    server.will("is_key_registered", [result(true), result(false)]);
    assert_eq!(client.is_key_registered(&key()).await, Ok(true));
    assert_eq!(client.is_key_registered(&key()).await, Ok(false));
    assert_eq!(server.paths(), ["is_key_registered", "is_key_registered"]);
    assert_eq!(server.seen()[0].body, json!({ "key": KEY }));
}

#[tokio::test]
async fn a_refusal_is_told_from_an_outage() {
    let server = Server::start();
    let client = InternalClient::new(server.service().build().unwrap());
    let register = async |replies: Vec<Reply>| {
        server.will("register_key", replies);
        client.register_key(&key(), IDENTIFIER).await.unwrap_err()
    };
    assert_eq!(register(vec![Reply::Status(409)]).await, RegisterKeyError::Conflict);
    for status in [400, 401, 404, 500] {
        let error = register(vec![Reply::Status(status)]).await;
        assert_eq!(error, RegisterKeyError::Call(CallError::Status(status)));
    }
    let error = register(vec![result(false)]).await;
    assert_eq!(error, RegisterKeyError::Call(CallError::Malformed));
    let error = register(vec![Reply::Status(503); 3]).await;
    let busy = CallError::Busy { status: 503, retry_after: None };
    assert_eq!(error, RegisterKeyError::Call(busy));
}

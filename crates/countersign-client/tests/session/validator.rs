//! Asking the service whether a token is good.

use countersign_core::ports::{TokenValidator as _, ValidatorError};
use serde_json::json;

use crate::support::{Reply, Server};

#[tokio::test]
async fn the_service_says_whether_a_token_is_good() {
    let server = Server::start();
    let service = server.service().build().unwrap();
    let answer = |result: bool| Reply::Json(json!({ "result": result, "message": null }));
    server.will("validate", [Reply::Busy(1), answer(true), answer(false), Reply::Status(401)]);
    assert_eq!(service.validate("a.b.c").await, Ok(true));
    assert_eq!(service.validate("a.b.c").await, Ok(false));
    assert_eq!(service.validate("a.b.c").await, Ok(false));
    assert_eq!(server.seen()[0].body, json!({ "jwt": "a.b.c" }));
    assert_eq!(server.paths(), ["validate"; 4]);
}

#[tokio::test]
async fn a_token_is_not_good_or_bad_because_there_is_no_answer() {
    let server = Server::start();
    let service = server.service().build().unwrap();
    for reply in [Reply::Status(500), Reply::Status(404), Reply::Json(json!({}))] {
        server.will("validate", [reply]);
        let said = service.validate("a.b.c").await;
        assert!(matches!(said, Err(ValidatorError(_))), "{said:?}");
    }
}

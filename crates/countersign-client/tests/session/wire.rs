//! What goes over the wire, and what is not taken from it.

use countersign_client::{CallError, MAX_ANSWER_BYTES, Session, SessionError};
use serde_json::json;

use crate::support::{IDENTIFIER, Reply, Server, key};

fn call(error: CallError) -> Result<countersign_client::AccessToken, SessionError> {
    Err(SessionError::Call(error))
}

#[tokio::test]
async fn the_routes_are_below_the_base_url() {
    for base in ["auth/v2", "auth/v2/"] {
        let server = Server::start();
        let url = server.url.join(base).unwrap();
        let service = countersign_client::Service::at(url).build().unwrap();
        Session::new(service, IDENTIFIER, key()).access_token().await.unwrap();
        assert_eq!(server.paths(), ["auth/v2/authenticate"]);
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    for status in [301, 302, 303, 307, 308] {
        let (server, other) = (Server::start(), Server::start());
        let elsewhere = other.url.join("authenticate").unwrap();
        server.will("authenticate", [Reply::Redirect(status, elsewhere.into())]);
        let outcome = server.session(key()).access_token().await;
        assert_eq!(outcome, call(CallError::Redirected), "{status}");
        assert!(other.seen().is_empty(), "{status}");
    }
}

#[tokio::test]
async fn a_ready_made_client_that_follows_redirects_takes_no_secret_along() {
    for status in [301, 302, 303, 307, 308] {
        let (server, other) = (Server::start(), Server::start());
        let elsewhere = other.url.join("authenticate").unwrap();
        server.will("authenticate", [Reply::Redirect(status, elsewhere.into())]);
        let service = server.service().with_http_client(reqwest::Client::new()).build().unwrap();
        let outcome = Session::new(service, IDENTIFIER, key()).access_token().await;
        assert_eq!(outcome, call(CallError::Redirected), "{status}");
        assert!(other.seen().iter().all(|seen| seen.body.is_null()), "{status}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let server = Server::start();
    let session = server.session(key());
    let jwt = "a".repeat(100);
    let padded = |bytes: usize| {
        let json = format!("{{\"jwt\":\"{jwt}\"}}");
        Reply::Text(format!("{json}{}", " ".repeat(bytes - json.len())))
    };
    server.will("authenticate", [padded(MAX_ANSWER_BYTES + 1), padded(MAX_ANSWER_BYTES)]);
    assert_eq!(session.access_token().await, call(CallError::TooLong));
    assert_eq!(session.access_token().await.unwrap().reveal(), jwt);
}

#[tokio::test]
async fn what_is_no_answer_is_said_so_without_repeating_it() {
    let secret = "eyJzZWNyZXQ";
    for reply in [
        Reply::Text(String::new()),
        Reply::Text(format!("<html>{secret}</html>")),
        Reply::Json(json!({ "refresh_token": null })),
        Reply::Json(json!({ "jwt": [secret] })),
        Reply::Json(json!({ "jwt": "" })),
        Reply::Json(json!({ "jwt": format!("{secret} {secret}") })),
        Reply::Json(json!({ "jwt": secret, "refresh_token": secret })),
    ] {
        let server = Server::start();
        server.will("authenticate", [reply]);
        let error = server.session(key()).access_token().await.unwrap_err();
        assert_eq!(error, SessionError::Call(CallError::Malformed));
        assert!(!format!("{error:?} {error}").contains(secret));
    }
}

#[tokio::test]
async fn members_of_a_later_version_do_no_harm() {
    let server = Server::start();
    let answer = json!({ "jwt": "a.b.c", "token_type": "Bearer", "expires_in": 900 });
    server.will("authenticate", [Reply::Json(answer)]);
    assert_eq!(server.session(key()).access_token().await.unwrap().reveal(), "a.b.c");
}

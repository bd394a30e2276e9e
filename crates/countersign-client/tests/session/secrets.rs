//! Secrets are neither shown nor logged.

use std::io;
use std::sync::{Arc, Mutex};

use countersign_client::{AuthorizeRequests, Credentials, InternalClient};
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{KEY, LIFETIME, Reply, Server, held, key, refresh_token};

/// What all tests of this binary log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_is_shown() {
    let server = Server::start();
    let given = held(&server.clock, 0);
    let all = Credentials::from(key())
        .and_refresh_token(refresh_token(0xfeed))
        .and_access_token(given.clone());
    let session = server.session(all.clone());
    let blocking = countersign_client::blocking::Session::new(session.clone()).unwrap();
    let authorize = AuthorizeRequests::to([server.url.clone()], session.clone());
    let internal = InternalClient::new(session.service().clone());
    let shown = format!("{all:?} {session:?} {blocking:?} {authorize:?} {internal:?} {given:?}");
    assert!(shown.contains(server.url.as_str()), "{shown}");
    for secret in [KEY, "feed", given.reveal()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn no_secret_is_logged() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .init();
    let server = Server::start();
    let given = held(&server.clock, LIFETIME - 3);
    let all = Credentials::from(key())
        .and_refresh_token(refresh_token(0xfeed))
        .and_access_token(given.clone());
    let session = server.session(all);
    server.will("refresh", [Reply::Busy(1), Reply::Status(401)]);
    server.will("authenticate", [Reply::Status(500)]);
    assert_eq!(session.access_token().await.unwrap(), given);
    server.clock.advance(LIFETIME);
    let token = session.access_token().await.unwrap();
    server.clock.advance(LIFETIME);
    server.will("refresh", [Reply::Status(401)]);
    server.will("authenticate", [Reply::Status(401)]);
    session.access_token().await.unwrap_err();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for said in [
        "trying again after a pause",
        "the refresh token was refused",
        "cannot renew the access token ahead of its end",
        "got an access token",
        "the key was refused",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    let refresh = refresh_token(1);
    for secret in [KEY, "feed", refresh.reveal(), given.reveal(), token.reveal()] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

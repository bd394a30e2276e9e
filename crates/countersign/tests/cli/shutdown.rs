//! Stopping: requests under way finish, but do not hold the server for ever.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use countersign_core::{AccountName, BoundTo, PrivateKey, RequestBinding, RequestSigner};
use countersign_system::{SystemClock, SystemRandom};

use crate::support::{Sandbox, Server, wait_for};

const BODY: &str = r#"{"name":"late-comer"}"#;

/// An administrative call of which the last byte has not been sent yet.
fn call_under_way(sandbox: &Sandbox, server: &Server) -> TcpStream {
    let key = PrivateKey::read(sandbox.read("data/admin.key").as_bytes(), None).unwrap().key;
    let signer = RequestSigner::new(AccountName::new("admin").unwrap(), key);
    let request = RequestBinding::of("POST", &server.internal("/v1/accounts"), BODY.as_bytes());
    let bound_to =
        BoundTo { audience: server.file["instance_id"].as_str().unwrap(), request: &request };
    let authorization = signer.bound_authorization(&SystemClock, &SystemRandom, &bound_to).unwrap();
    let address = server.internal_address();
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "POST /v1/accounts HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        BODY.len()
    )
    .unwrap();
    // The server asks for the body: it is at work on the request.
    let mut asked = [0; 25];
    connection.read_exact(&mut asked).unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 Continue"), "{}", String::from_utf8_lossy(&asked));
    connection.write_all(&BODY.as_bytes()[..BODY.len() - 1]).unwrap();
    connection
}

#[test]
fn a_request_under_way_is_answered_after_the_signal() {
    let sandbox = Sandbox::new();
    let mut server = sandbox.serve(&[]);
    let mut connection = call_under_way(&sandbox, &server);
    server.terminate();
    wait_for("the port to be free", || {
        TcpStream::connect(server.public_address()).is_err().then_some(())
    });

    connection.write_all(&BODY.as_bytes()[BODY.len() - 1..]).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    assert_eq!(server.ended().code(), Some(0));
    assert!(server.log().contains("stopped"), "{}", server.log());

    // What was answered was done, and written down.
    let _server = sandbox.serve(&[]);
    sandbox.ok(&["account", "show", "late-comer"]);
}

#[test]
fn a_server_that_drains_is_not_ready_and_answers() {
    let sandbox = Sandbox::new();
    let mut server = sandbox.serve(&["--drain-delay", "1h"]);
    let mut kept = TcpStream::connect(server.public_address()).unwrap();
    assert!(ask(&mut kept, "/health/ready").starts_with("HTTP/1.1 200 OK"));
    server.terminate();
    wait_for("the signal", || {
        let mut connection = TcpStream::connect(server.public_address()).unwrap();
        let answer = ask(&mut connection, "/health/ready");
        answer.starts_with("HTTP/1.1 503 ").then_some(())
    });
    // A caller that has not noticed is answered, and told to come by another connection.
    for connection in [&mut kept, &mut TcpStream::connect(server.public_address()).unwrap()] {
        let answer = ask(connection, "/health/live").to_lowercase();
        assert!(answer.starts_with("http/1.1 200 ok"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(connection.read(&mut [0]).unwrap(), 0, "it is closed behind the answer");
    }
    // Nobody has to wait for the hour.
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_server_that_has_drained_ends_by_itself() {
    let sandbox = Sandbox::new();
    let mut server = sandbox.serve(&["--drain-delay", "100ms"]);
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    assert!(TcpStream::connect(server.public_address()).is_err());
}

/// One request; the head of the answer, and a body as far as it came with it.
fn ask(connection: &mut TcpStream, path: &str) -> String {
    write!(connection, "GET {path} HTTP/1.1\r\nHost: countersign\r\n\r\n").unwrap();
    let mut answer = String::new();
    while !answer.contains("\r\n\r\n") || !answer.ends_with('\n') {
        let mut some = [0; 1024];
        let read = connection.read(&mut some).unwrap();
        assert_ne!(read, 0, "cut off: {answer}");
        answer.push_str(std::str::from_utf8(&some[..read]).unwrap());
    }
    answer
}

#[test]
fn a_request_that_never_ends_is_cut_off() {
    let sandbox = Sandbox::new();
    let mut server = sandbox.serve(&["--drain-timeout", "100ms"]);
    let connection = call_under_way(&sandbox, &server);
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    assert!(server.log().contains("these took too long connections=1"), "{}", server.log());
    drop(connection);
}

#[test]
fn a_second_signal_does_not_wait() {
    let sandbox = Sandbox::new();
    let mut server = sandbox.serve(&["--drain-timeout", "1h"]);
    let connection = call_under_way(&sandbox, &server);
    server.terminate();
    wait_for("the first signal", || server.log().contains("stopping").then_some(()));
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    assert!(server.log().contains("stopped without waiting"), "{}", server.log());
    drop(connection);
}

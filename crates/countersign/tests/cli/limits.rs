//! What one caller may take: connections, header bytes, time.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use crate::support::Sandbox;

const REQUEST: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";

/// Reads one answer of the health probe.
fn answer(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"live\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn a_connection_too_many_waits_for_its_place() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--max-connections", "1"]);
    let mut first = TcpStream::connect(server.public_address()).unwrap();
    first.write_all(REQUEST).unwrap();
    answer(&mut first);

    let mut second = TcpStream::connect(server.public_address()).unwrap();
    second.write_all(REQUEST).unwrap();
    for _ in 0..100 {
        first.write_all(REQUEST).unwrap();
        answer(&mut first);
    }
    second.set_nonblocking(true).unwrap();
    let nothing_yet = second.peek(&mut [0]).unwrap_err();
    assert_eq!(nothing_yet.kind(), io::ErrorKind::WouldBlock);

    drop(first);
    second.set_nonblocking(false).unwrap();
    assert!(answer(&mut second).starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn a_header_section_beyond_the_limit_is_refused() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--max-header-bytes", "16384"]);
    let status = |padding: usize| {
        let mut connection = TcpStream::connect(server.public_address()).unwrap();
        let padding = "x".repeat(padding);
        let request = format!(
            "GET /forward-auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Padding: {padding}\r\n\r\n"
        );
        // The server may hang up before it has read all of it.
        let _ = connection.write_all(request.as_bytes());
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert_eq!(status(8_000), "HTTP/1.1 401");
    assert_eq!(status(17_000), "HTTP/1.1 431");
}

#[test]
fn a_caller_that_says_nothing_is_hung_up_on() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--header-timeout", "200ms"]);
    for said in ["", "P", "GET /health/live HTTP/1.1\r\nHost: x\r\n"] {
        let mut connection = TcpStream::connect(server.public_address()).unwrap();
        connection.write_all(said.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // Either end of the line will do; what must not happen is to wait for ever.
        let _ = connection.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{said:?}");
    }
    sandbox.ok(&["account", "list"]);
}

//! HTTP/1.1 by hand over a real socket, to see what is on the wire.

use std::net::SocketAddr;

use axum::Router;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Serves a router on a port of its own until the test ends.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// The head and the body of an answer, as they came.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawAnswer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next answer; panics if the connection ends before.
    pub(crate) async fn answer(&mut self) -> RawAnswer {
        self.answer_if_open().await.expect("the connection ended without an answer")
    }

    /// The next answer, or `None` if the connection ended properly before one began.
    pub(crate) async fn answer_if_open(&mut self) -> Option<RawAnswer> {
        let head_end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.read_more().await {
                assert!(self.read.is_empty(), "the connection ended within an answer");
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..head_end).collect()).unwrap();
        let mut answer = RawAnswer { head, body: String::new() };
        let length = answer.headers("content-length").first().map_or(0, |n| n.parse().unwrap());
        while self.read.len() < length {
            assert!(self.read_more().await, "the connection ended within a body");
        }
        answer.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(answer)
    }

    async fn read_more(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk).await.unwrap();
        self.read.extend_from_slice(&chunk[..count]);
        count > 0
    }
}

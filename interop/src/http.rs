//! Requests as a careless or hostile client would send them: header lines go out
//! as they were given, repeated ones too.

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request that is written byte for byte.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    lines: Vec<(String, String)>,
    body: String,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// A GET request.
    pub fn get(path: &str) -> Self {
        Self { method: "GET".into(), path: path.into(), lines: Vec::new(), body: String::new() }
    }

    /// A POST request with a body.
    pub fn post(path: &str, body: &str) -> Self {
        Self { method: "POST".into(), body: body.into(), ..Self::get(path) }
    }

    /// The same with one more header line.
    #[must_use]
    pub fn line(mut self, name: &str, value: &str) -> Self {
        self.lines.push((name.into(), value.into()));
        self
    }

    /// The same with one more `Authorization` line.
    #[must_use]
    pub fn authorization(self, value: &str) -> Self {
        self.line("Authorization", value)
    }

    /// Its path and query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Sends it on a connection of its own to a base URL such as
    /// `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// If nobody listens there or the answer is no HTTP.
    pub async fn send(&self, base: &str) -> Result<Answer> {
        let address = base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.write_all(self.written(address).as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Answer::read(&String::from_utf8(answer)?)
    }

    fn written(&self, host: &str) -> String {
        let Self { method, path, lines, body } = self;
        let mut written =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        let length = (!body.is_empty()).then(|| ("Content-Length".into(), body.len().to_string()));
        for (name, value) in length.iter().chain(lines) {
            written.extend([name, ": ", value, "\r\n"]);
        }
        written + "\r\n" + body
    }
}

impl Answer {
    fn read(text: &str) -> Result<Self> {
        let (head, body) = text.split_once("\r\n\r\n").context("no end of the header section")?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Ok(Self { status: status.parse()?, headers, body: body.to_owned() })
    }

    /// The values of a header, its name in lower case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let found = self.headers.iter().filter(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_out_as_given() {
        let request = Request::post("/x?y", "ab").authorization("one").authorization("two");
        assert_eq!(
            request.written("h:1"),
            "POST /x?y HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\nContent-Length: 2\r\n\
             Authorization: one\r\nAuthorization: two\r\n\r\nab"
        );
    }

    #[test]
    fn answers_are_read() {
        let answer = Answer::read("HTTP/1.1 401 No\r\nA: b: c\r\na: d\r\n\r\nbody").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (401, "body"));
        assert_eq!(answer.all("a"), ["b: c", "d"]);
        assert!(Answer::read("nonsense").is_err());
    }
}

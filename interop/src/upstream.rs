//! A service behind a gateway that answers with the request as it arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use axum::extract::{Request, State};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::http::Answer;

/// The longest body that is echoed, in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;

/// A running service; it ends when this value goes.
#[derive(Debug)]
pub struct Upstream {
    address: String,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// A request as the service saw it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub uri: String,
    /// Its header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Upstream {
    /// Starts the service.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start() -> Result<Self> {
        Self::start_on(0).await
    }

    /// Starts it on a port.
    ///
    /// # Errors
    /// If the port is not free.
    pub async fn start_on(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?.to_string();
        let requests = Arc::new(AtomicUsize::new(0));
        let router = Router::new().fallback(echo).with_state(Arc::clone(&requests));
        let task = tokio::spawn(async move {
            // It ends with an error only if the listener fails, and then the
            // test's own request does too.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, requests, task })
    }

    /// Its address and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many requests have reached it.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn echo(State(requests): State<Arc<AtomicUsize>>, request: Request) -> Json<Seen> {
    requests.fetch_add(1, Ordering::SeqCst);
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
    let headers = head.headers.iter();
    Json(Seen {
        method: head.method.to_string(),
        uri: head.uri.to_string(),
        headers: headers
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

impl Answer {
    /// What the upstream saw, if this is its answer.
    ///
    /// # Errors
    /// If somebody else answered.
    pub fn seen(&self) -> Result<Seen> {
        Ok(serde_json::from_str(&self.body)?)
    }
}

impl Seen {
    /// The values of a header, its name in lower case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let found = self.headers.iter().filter(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str()).collect()
    }
}

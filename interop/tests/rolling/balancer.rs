//! A load balancer as they are: it asks each replica every few milliseconds whether it is
//! ready, takes turns among those that are, keeps connections, and tries the next one only
//! where nobody listens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::header::AUTHORIZATION;
use interop::Countersign;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::task::JoinSet;

const BETWEEN_QUESTIONS: Duration = Duration::from_millis(30);

/// Where a replica is, and whether it wants requests.
struct Replica {
    url: String,
    is_ready: bool,
}

pub(crate) struct Balancer {
    client: Client,
    replicas: Arc<Vec<Mutex<Replica>>>,
    turn: AtomicUsize,
    sent_again: AtomicUsize,
    _questions: JoinSet<()>,
}

impl Balancer {
    pub(crate) fn between(servers: &[Countersign]) -> Self {
        let replica = |server: &Countersign| {
            Mutex::new(Replica { url: server.url().to_owned(), is_ready: true })
        };
        let replicas: Arc<Vec<_>> = Arc::new(servers.iter().map(replica).collect());
        let client = Client::new();
        let mut questions = JoinSet::new();
        for number in 0..servers.len() {
            questions.spawn(keep_asking(client.clone(), Arc::clone(&replicas), number));
        }
        let (turn, sent_again) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { client, replicas, turn, sent_again, _questions: questions }
    }

    /// A replica has come back, with another address.
    pub(crate) fn moved(&self, number: usize, url: &str) {
        // It is asked first whether it is ready.
        let replica = Replica { url: url.to_owned(), is_ready: false };
        *self.replicas[number].lock().expect("a lock") = replica;
    }

    /// How many requests met a port at which nobody listened.
    pub(crate) fn sent_again(&self) -> usize {
        self.sent_again.load(Ordering::Relaxed)
    }

    /// What the gateways' endpoint says: the status, and the account if there is one.
    pub(crate) async fn asks(&self, authorization: &str) -> Result<(u16, String)> {
        let request = |client: &Client, url: &str| {
            client.get(format!("{url}/forward-auth")).header(AUTHORIZATION, authorization)
        };
        let response = self.send(request).await?;
        let account = response.headers().get("x-auth-account");
        let account = account.map(|name| name.to_str().map(str::to_owned)).transpose()?;
        let status = response.status().as_u16();
        response.bytes().await.context("an answer was cut off")?;
        Ok((status, account.unwrap_or_default()))
    }

    /// What `/authenticate` says.
    pub(crate) async fn buys(&self, body: &Value) -> Result<(u16, String)> {
        let request = |client: &Client, url: &str| {
            client.post(format!("{url}/authenticate")).body(body.to_string())
        };
        let response = self.send(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.text().await.context("an answer was cut off")?))
    }

    async fn send(
        &self,
        request: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Result<reqwest::Response> {
        let mut attempts = self.replicas.len();
        loop {
            attempts -= 1;
            match request(&self.client, &self.next()).send().await {
                Err(error) if error.is_connect() && attempts > 0 => {
                    self.sent_again.fetch_add(1, Ordering::Relaxed);
                }
                sent => return sent.context("a request was lost"),
            }
        }
    }

    /// The next replica that is ready, or simply the next.
    fn next(&self) -> String {
        let of = self.replicas.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn =
            || (0..of).map(|step| self.replicas[(turn + step) % of].lock().expect("a lock"));
        let ready = in_turn().find(|replica| replica.is_ready);
        ready.or_else(|| in_turn().next()).map(|replica| replica.url.clone()).unwrap_or_default()
    }
}

async fn keep_asking(client: Client, replicas: Arc<Vec<Mutex<Replica>>>, number: usize) {
    loop {
        let url = replicas[number].lock().expect("a lock").url.clone();
        let answer = client.get(format!("{url}/health/ready")).send().await;
        let is_ready = answer.is_ok_and(|answer| answer.status().is_success());
        {
            let mut replica = replicas[number].lock().expect("a lock");
            if replica.url == url {
                replica.is_ready = is_ready;
            }
        }
        tokio::time::sleep(BETWEEN_QUESTIONS).await;
    }
}

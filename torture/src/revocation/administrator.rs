//! Who revokes: calls of the administration API, without a command between, whose end would
//! come later than the answer.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use countersign_client::{InstanceSigner, KeySource, Signer};
use interop::{Countersign, eventually};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// The longest that is waited for any answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Administrates one server.
pub(super) struct Administrator {
    http: Client,
    public: String,
    internal: String,
    signer: InstanceSigner,
}

impl Administrator {
    /// The first administrator of a server, as soon as its calls are accepted: a guard that was
    /// never asked before first lets the window pass.
    pub(super) async fn of(server: &Countersign) -> Result<Self> {
        let http = client()?;
        let (public, internal) = (server.url().to_owned(), server.internal_url().to_owned());
        let instance = http.get(format!("{internal}/v1/instance")).send().await?.bytes().await?;
        let instance: Value = serde_json::from_slice(&instance)?;
        let id = instance["instance_id"].as_str().context("an instance's id")?.to_owned();
        let key = KeySource::file(server.admin_key());
        let signer = Signer::load("admin", &key, None)?.for_instance(id);
        let administrator = Self { http, public, internal, signer };
        let ready = async || administrator.call(Method::GET, "/v1/accounts", None).await.ok();
        eventually("calls that are accepted", ready).await?;
        Ok(administrator)
    }

    /// Sends something to be done.
    pub(super) async fn post(&self, path: &str, body: Option<Value>) -> Result<Value> {
        self.call(Method::POST, path, body).await
    }

    /// Sends a change.
    pub(super) async fn patch(&self, path: &str, body: Value) -> Result<Value> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// Buys an access token with an API key.
    pub(super) async fn access_token(&self, key: &str, identifier: &str) -> Result<String> {
        let body = json!({"key": key, "identifier": identifier}).to_string();
        let call = self.http.post(format!("{}/authenticate", self.public)).body(body);
        let bought = call.send().await?.error_for_status()?.bytes().await?;
        let bought: Value = serde_json::from_slice(&bought)?;
        Ok(bought["jwt"].as_str().context("an access token")?.to_owned())
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut call = self.http.request(method, format!("{}{path}", self.internal));
        if let Some(body) = body {
            call = call.header("Content-Type", "application/json").body(body.to_string());
        }
        let mut call = call.build()?;
        self.signer.sign(&mut call)?;
        let answer = self.http.execute(call).await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        let told = String::from_utf8_lossy(&body);
        ensure!(status.is_success(), "{path}: {status} {told}");
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? })
    }
}

/// A client whose connections stay open.
pub(super) fn client() -> Result<Client> {
    // Nobody here speaks TLS.
    Ok(Client::builder().no_proxy().tls_certs_only([]).timeout(ANSWER_TIMEOUT).build()?)
}

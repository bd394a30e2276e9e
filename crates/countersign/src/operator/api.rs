//! Calls of the administration API, each signed for exactly this call.

use std::time::Duration;

use countersign_client::{InstanceSigner, Signer};
use countersign_core::{AccountName, PrivateKey};
use countersign_server::api::{Instance, Problem, routes};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Target, Trust, pinned};
use crate::failure::Failure;
use crate::files;
use crate::tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A server's administration API, called as one operator.
pub(crate) struct AdminApi {
    http: Client,
    url: Url,
    name: AccountName,
    signer: InstanceSigner,
}

impl AdminApi {
    pub(super) async fn connect(
        target: Target,
        name: AccountName,
        key: PrivateKey,
    ) -> Result<Self, Failure> {
        let http = client(&target.trust, CALL_TIMEOUT)?;
        let instance_id = match target.instance_id {
            Some(id) => id,
            None => instance_id(&http, &target.url).await?,
        };
        let signer = Signer::new(name.clone(), key).for_instance(instance_id);
        Ok(Self { http, url: target.url, name, signer })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(self.call(Method::GET, path, Vec::new()).await?).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(Failure::refused)?;
        read(self.call(Method::POST, path, body).await?).await
    }

    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(Failure::refused)?;
        read(self.call(Method::PATCH, path, body).await?).await
    }

    /// A `POST` without a body.
    pub(crate) async fn act<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(self.call(Method::POST, path, Vec::new()).await?).await
    }

    /// A `POST` without a body, whose answer has none either.
    pub(crate) async fn command(&self, path: &str) -> Result<(), Failure> {
        self.call(Method::POST, path, Vec::new()).await.map(drop)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, path, Vec::new()).await.map(drop)
    }

    /// Where a path of the server is.
    pub(crate) fn url_of(&self, path: &str) -> Result<Url, Failure> {
        join(&self.url, path)
    }

    /// Signs for this method, URI and body, and sends.
    async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Response, Failure> {
        let mut call = self.http.request(method, join(&self.url, path)?);
        if !body.is_empty() {
            call = call.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut call = call.build().map_err(Failure::refused)?;
        self.signer.sign(&mut call).map_err(Failure::refused)?;
        let response =
            self.http.execute(call).await.map_err(|error| cannot_reach(&self.url, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        Err(self.why_not(response).await.of_answer(status))
    }

    async fn why_not(&self, response: Response) -> Failure {
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return Failure::refused(format_args!(
                "{} does not accept this key for account {}: the account must be enabled and in the group admin, the key registered for it, and the clocks of both machines must agree",
                self.url, self.name
            ));
        }
        let detail = match response.bytes().await {
            Ok(body) => serde_json::from_slice::<Problem>(&body).map(|problem| problem.to_string()),
            Err(error) => return cannot_reach(&self.url, &error),
        };
        let detail = detail.unwrap_or_else(|_| format!("{} answered {status}", self.url));
        match status {
            StatusCode::NOT_FOUND => Failure::not_found(detail),
            // A name, key or URL that was given here is not what it should be.
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Failure::usage(detail),
            StatusCode::SERVICE_UNAVAILABLE => Failure::unreachable(detail),
            _ => Failure::refused(detail),
        }
    }
}

pub(super) fn client(trust: &Trust, timeout: Duration) -> Result<Client, Failure> {
    let builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        // A credential goes to the server it was made for and nowhere else.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    let builder = match trust {
        Trust::NotNeeded => builder.tls_certs_only([]),
        Trust::Authorities(None) => builder,
        Trust::Authorities(Some(file)) => {
            let pem = files::read(file)?;
            let more = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| {
                Failure::usage(format_args!("{} holds no certificate: {error}", file.display()))
            })?;
            builder.tls_certs_merge(more)
        }
        Trust::Pinned(file) => {
            let mut chain = tls::certificates(file)?;
            let config = pinned::client_config(chain.swap_remove(0)).map_err(Failure::refused)?;
            builder.tls_backend_preconfigured(config)
        }
    };
    builder.build().map_err(|error| {
        Failure::refused(format_args!("cannot make a client for the server: {}", reason(&error)))
    })
}

async fn instance_id(http: &Client, url: &Url) -> Result<String, Failure> {
    let response = http
        .get(join(url, routes::INSTANCE)?)
        .send()
        .await
        .map_err(|error| cannot_reach(url, &error))?;
    if !response.status().is_success() {
        return Err(Failure::unreachable(format_args!(
            "{url} answered {}: is it the internal listener of a Countersign server?",
            response.status()
        )));
    }
    Ok(read::<Instance>(response).await?.instance_id)
}

/// The URL of a route: a server behind a path keeps that path.
pub(super) fn join(server: &Url, path: &str) -> Result<Url, Failure> {
    let text = format!("{}{path}", server.as_str().trim_end_matches('/'));
    text.parse().map_err(|error| Failure::usage(format_args!("{server}: {error}")))
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    let url = response.url().clone();
    let body = response.bytes().await.map_err(|error| cannot_reach(&url, &error))?;
    serde_json::from_slice(&body).map_err(|error| {
        Failure::unreachable(format_args!(
            "{url} gave an answer that this version does not understand ({error}): is it a Countersign server, of the same version?"
        ))
    })
}

pub(super) fn cannot_reach(server: &Url, error: &reqwest::Error) -> Failure {
    let reason = reason(error);
    Failure::unreachable(format_args!("cannot reach {server}: {reason}; is the server running?"))
}

/// The library's own text hides the reason at the end of a chain of sources.
fn reason(error: &reqwest::Error) -> &dyn std::error::Error {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason
}

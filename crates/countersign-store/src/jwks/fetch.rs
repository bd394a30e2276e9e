//! One fetch of a JWK set over HTTPS, within fixed limits.

use std::error::Error as _;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::{JwkSet, JwkSetError, MAX_JWK_SET_BYTES};
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Client, Response, StatusCode};

use super::address::PublicOnly;
use super::url::{JwksRules, JwksUrl, JwksUrlError};

/// How much time and how many bytes one fetch may take, all in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// From the look-up of the name to the last byte.
    pub time: Duration,
    /// Of the body. More are not read.
    pub bytes: usize,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(5), bytes: MAX_JWK_SET_BYTES }
    }
}

/// Why a fetch gave no key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The rules do not allow the URL.
    #[error(transparent)]
    Url(#[from] JwksUrlError),
    /// No connection, or a broken one.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// Not done in time.
    #[error("no complete answer within {0:?}")]
    TooSlow(Duration),
    /// The answer is elsewhere.
    #[error("answered {0}, a redirect: redirects are not followed, use the URL it leads to")]
    Redirected(u16),
    /// Another answer than 200.
    #[error("answered {0} instead of 200")]
    Status(u16),
    /// More bytes than allowed.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// Not a JWK set.
    #[error(transparent)]
    NotASet(#[from] JwkSetError),
    /// This host cannot make TLS connections at all.
    #[error("TLS cannot be set up on this host: {0}")]
    NoTls(String),
}

/// Fetches a JWK set once.
#[async_trait]
pub trait FetchJwks: Send + Sync {
    /// The set published at this URL.
    ///
    /// # Errors
    /// [`FetchError`], for the operator.
    async fn fetch(&self, url: &JwksUrl) -> Result<JwkSet, FetchError>;
}

/// Fetches over HTTPS: no redirect, no proxy, no connection to an address that
/// is not public (unless the rules allow it), within [`FetchLimits`].
pub struct HttpFetcher {
    rules: JwksRules,
    limits: FetchLimits,
    certificates: Vec<reqwest::Certificate>,
    /// Made when it is first needed: reading the host's certificates takes time,
    /// and a host that has none can still serve those without endpoints.
    client: OnceLock<Client>,
}

impl HttpFetcher {
    /// A fetcher under these rules, with the limits of the wire format.
    pub fn new(rules: JwksRules) -> Self {
        let limits = FetchLimits::default();
        Self { rules, limits, certificates: Vec::new(), client: OnceLock::new() }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: FetchLimits) -> Self {
        Self { limits, ..self }
    }

    /// The same, which also trusts servers that one of these certificate
    /// authorities (PEM, one or more) vouches for.
    ///
    /// # Errors
    /// [`FetchError::NoTls`] if the text is no certificate.
    pub fn trusting(mut self, pem: &str) -> Result<Self, FetchError> {
        let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|error| FetchError::NoTls(root_causes(error)))?;
        self.certificates.extend(certificates);
        Ok(self)
    }

    fn client(&self) -> Result<&Client, FetchError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut builder = Client::builder()
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .https_only(!self.rules.dangerous_allow_insecure)
            // Each fetch looks the name up anew and checks what it finds.
            .pool_max_idle_per_host(0)
            .tls_certs_merge(self.certificates.clone());
        if !self.rules.dangerous_allow_insecure {
            builder = builder.dns_resolver(PublicOnly);
        }
        let client = builder.build().map_err(|error| FetchError::NoTls(root_causes(error)))?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn body(&self, url: &JwksUrl) -> Result<Vec<u8>, FetchError> {
        let answer = self
            .client()?
            .get(url.as_url().clone())
            .header(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"))
            .send()
            .await
            .map_err(unreachable)?;
        check_status(answer.status())?;
        read_up_to(self.limits.bytes, answer).await
    }
}

#[async_trait]
impl FetchJwks for HttpFetcher {
    async fn fetch(&self, url: &JwksUrl) -> Result<JwkSet, FetchError> {
        url.check(self.rules)?;
        let body = tokio::time::timeout(self.limits.time, self.body(url))
            .await
            .map_err(|_| FetchError::TooSlow(self.limits.time))??;
        Ok(JwkSet::read(&body)?)
    }
}

fn check_status(status: StatusCode) -> Result<(), FetchError> {
    match status {
        StatusCode::OK => Ok(()),
        other if other.is_redirection() => Err(FetchError::Redirected(other.as_u16())),
        other => Err(FetchError::Status(other.as_u16())),
    }
}

/// Reads piece by piece, so that an endless body costs no more than the limit.
async fn read_up_to(limit: usize, mut answer: Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
        if piece.len() > limit - body.len() {
            return Err(FetchError::TooLong(limit));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn unreachable(error: reqwest::Error) -> FetchError {
    FetchError::Unreachable(root_causes(error))
}

/// The chain of causes without the URL, whose query may be an access key.
fn root_causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The URL's own check, which refuses the name `localhost`, is left out
    /// here: what is tested is that the name is looked up through our resolver.
    #[tokio::test]
    async fn a_name_that_resolves_to_this_host_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let insecure = JwksRules { dangerous_allow_insecure: true };
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let url = JwksUrl::parse(&url, &insecure).unwrap();
        let error = HttpFetcher::new(JwksRules::default()).body(&url).await.unwrap_err();
        assert!(error.to_string().contains("is not public"), "{error}");
        let connected = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(connected.is_err(), "nobody has connected");
    }
}

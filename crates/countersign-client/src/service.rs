//! Where the key-to-token service is, and how it is spoken to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::{Clock, Random};
use countersign_system::{SystemClock, SystemRandom};
use reqwest::{Certificate, Client, Identity};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::call::{self, CallError};
use crate::retry::RetryPolicy;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A Countersign server, or one that speaks like `jwthenticator`, at one URL.
/// Clones share its connections.
///
/// ```
/// use countersign_client::Service;
///
/// let service = Service::at("https://auth.example.org/machines".parse()?).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It never follows a redirect: what is sent to it are secrets.
#[derive(Clone)]
pub struct Service {
    base: Url,
    http: Client,
    retries: RetryPolicy,
    pub(crate) clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// What a [`Service`] is made of.
#[must_use]
pub struct ServiceBuilder {
    base: Url,
    http: Option<Client>,
    trust: Trust,
    client_certificate: Option<SecretString>,
    retries: RetryPolicy,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// Who may vouch for the service. The certificates are PEM.
enum Trust {
    System,
    SystemAnd(String),
    Only(String),
}

/// A service cannot be spoken to in the way that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Not `http` or `https`.
    #[error("the service's URL begins with {0}: expected https: or http:")]
    Scheme(String),
    /// The URL has more than scheme, host, port and path.
    #[error("the service's URL has a user, a query or a fragment: leave it out")]
    NotABase,
    /// No certificate in the PEM text of the authorities.
    #[error("the certificate authorities: {0}")]
    Authorities(String),
    /// No certificate with its private key in the PEM text.
    #[error("the client certificate: {0}")]
    ClientCertificate(String),
    /// A ready-made client and certificates, which it would not use.
    #[error("a ready-made HTTP client brings its own certificates: leave the others out")]
    CertificatesOfAnotherClient,
    /// TLS cannot be set up, mostly because the host has no certificate authorities.
    #[error("TLS cannot be set up on this host: {0}")]
    NoTls(String),
}

impl Service {
    /// The service whose routes are below this URL, `authenticate` among them.
    pub fn at(base: Url) -> ServiceBuilder {
        ServiceBuilder {
            base,
            http: None,
            trust: Trust::System,
            client_certificate: None,
            retries: RetryPolicy::default(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }

    /// The URL that its routes are below.
    pub fn url(&self) -> &Url {
        &self.base
    }

    /// Calls a route, as often as the retry policy says.
    pub(crate) async fn post<Answer: DeserializeOwned>(
        &self,
        route: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<Answer, CallError> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(route);
        }
        let body = call::write(body);
        let attempt = || call::post(&self.http, url.clone(), body.clone());
        let answer = self.retries.run(&*self.random, attempt).await?;
        // What serde says of an error repeats values.
        serde_json::from_slice(&answer).map_err(|_| CallError::Malformed)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("url", &self.base.as_str())
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

impl ServiceBuilder {
    /// Trusts also servers that one of these certificate authorities (PEM, one or
    /// more) vouches for, besides those that the host trusts.
    pub fn trusting(self, pem: impl Into<String>) -> Self {
        Self { trust: Trust::SystemAnd(pem.into()), ..self }
    }

    /// Trusts only servers that one of these certificate authorities (PEM, one or
    /// more) vouches for, and none that the host trusts.
    pub fn trusting_only(self, pem: impl Into<String>) -> Self {
        Self { trust: Trust::Only(pem.into()), ..self }
    }

    /// Shows the service this certificate: PEM, with the chain that leads to what the
    /// service trusts, and the private key, unencrypted.
    pub fn with_client_certificate(self, pem: impl Into<String>) -> Self {
        Self { client_certificate: Some(SecretString::from(pem.into())), ..self }
    }

    /// Uses a client that is there already, with its connections, its proxy and its
    /// certificates. Even if it follows redirects, secrets go to the service's URL
    /// only, and answers from elsewhere are refused.
    pub fn with_http_client(self, http: Client) -> Self {
        Self { http: Some(http), ..self }
    }

    /// Tries again in another way than the usual one.
    pub fn with_retries(self, retries: RetryPolicy) -> Self {
        Self { retries, ..self }
    }

    /// Tells the time by another clock than the host's.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Draws the random part of pauses from elsewhere than the host's generator.
    pub fn with_random(self, random: Arc<dyn Random>) -> Self {
        Self { random, ..self }
    }

    /// The service. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ServiceError`] if the URL or a certificate is not what it must be.
    pub fn build(self) -> Result<Service, ServiceError> {
        check(&self.base)?;
        let has_certificates =
            self.client_certificate.is_some() || !matches!(self.trust, Trust::System);
        let http = match self.http {
            Some(_) if has_certificates => return Err(ServiceError::CertificatesOfAnotherClient),
            Some(http) => http,
            None => client(&self.trust, self.client_certificate.as_ref())?,
        };
        let Self { base, retries, clock, random, .. } = self;
        Ok(Service { base, http, retries, clock, random })
    }
}

impl fmt::Debug for ServiceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL is not checked yet: it may still have a password.
        f.debug_struct("ServiceBuilder").field("retries", &self.retries).finish_non_exhaustive()
    }
}

fn check(base: &Url) -> Result<(), ServiceError> {
    if !matches!(base.scheme(), "http" | "https") {
        return Err(ServiceError::Scheme(format!("{}:", base.scheme())));
    }
    let has_user = !base.username().is_empty() || base.password().is_some();
    if has_user || base.query().is_some() || base.fragment().is_some() {
        return Err(ServiceError::NotABase);
    }
    Ok(())
}

fn client(trust: &Trust, certificate: Option<&SecretString>) -> Result<Client, ServiceError> {
    let mut builder = Client::builder()
        .user_agent(concat!("countersign-client/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false);
    builder = match trust {
        Trust::System => builder,
        Trust::SystemAnd(pem) => builder.tls_certs_merge(authorities(pem)?),
        Trust::Only(pem) => builder.tls_certs_only(authorities(pem)?),
    };
    if let Some(pem) = certificate {
        let identity = Identity::from_pem(pem.expose_secret().as_bytes())
            .map_err(|_| "expected PEM with a certificate and its private key, unencrypted")
            .map_err(|expected| ServiceError::ClientCertificate(expected.to_owned()))?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| ServiceError::NoTls(root_cause(&error)))
}

fn authorities(pem: &str) -> Result<Vec<Certificate>, ServiceError> {
    let certificates = Certificate::from_pem_bundle(pem.as_bytes())
        .map_err(|error| ServiceError::Authorities(root_cause(&error)))?;
    if certificates.is_empty() {
        return Err(ServiceError::Authorities("expected PEM with at least one".to_owned()));
    }
    Ok(certificates)
}

/// What reqwest says is only that a client could not be built.
fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(url: &str) -> Result<Service, ServiceError> {
        Service::at(url.parse().unwrap()).build()
    }

    #[test]
    fn a_base_url_has_scheme_host_port_and_path_only() {
        for good in ["https://a.example", "http://127.0.0.1:8080/prefix/", "https://[::1]/a/b"] {
            assert_eq!(
                build(good).unwrap().url().as_str().trim_end_matches('/'),
                good.trim_end_matches('/')
            );
        }
        assert_eq!(build("ftp://a.example").unwrap_err(), ServiceError::Scheme("ftp:".to_owned()));
        for bad in [
            "https://me@a.example",
            "https://:pw@a.example",
            "https://a.example?x",
            "https://a.example#x",
        ] {
            assert_eq!(build(bad).unwrap_err(), ServiceError::NotABase, "{bad}");
        }
    }

    #[test]
    fn certificates_that_are_none_are_said_so() {
        let at = || Service::at("https://a.example".parse().unwrap());
        for bad in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            for builder in [at().trusting(bad), at().trusting_only(bad)] {
                let error = builder.build().unwrap_err();
                let is_said =
                    matches!(error, ServiceError::Authorities(_) | ServiceError::NoTls(_));
                assert!(is_said, "{bad}: {error:?}");
            }
            let error = at().with_client_certificate(bad).build().unwrap_err();
            assert!(matches!(error, ServiceError::ClientCertificate(_)), "{bad}: {error:?}");
        }
    }

    #[test]
    fn a_ready_made_client_and_certificates_exclude_each_other() {
        let at =
            || Service::at("https://a.example".parse().unwrap()).with_http_client(Client::new());
        assert!(at().build().is_ok());
        for builder in
            [at().trusting("x"), at().trusting_only("x"), at().with_client_certificate("x")]
        {
            assert_eq!(builder.build().unwrap_err(), ServiceError::CertificatesOfAnotherClient);
        }
    }

    #[test]
    fn no_debug_output_shows_a_client_key_or_a_password() {
        let builder = Service::at("https://me:hunter2@a.example".parse().unwrap())
            .with_client_certificate("-----BEGIN PRIVATE KEY----- hunter2");
        assert!(!format!("{builder:?}").contains("hunter2"));
    }
}

//! Signs every attempt of every request to a service.

use async_trait::async_trait;
use http::Extensions;
use http::header::AUTHORIZATION;
use reqwest::redirect;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, Middleware, Next};
use url::{Origin, Url};

use crate::signer::Signer;

/// A [`reqwest_middleware`] that puts a fresh `Authorization` header into each
/// attempt of a request, in place of one that is there.
///
/// # Retries
///
/// A token is good for one attempt, even for one that failed: the server may
/// have taken it before the answer was lost. A middleware that retries must
/// therefore be attached **before** this one, so that it stands outside of it
/// and each of its attempts passes through here:
///
/// ```
/// # use countersign_client::{SignRequests, Signer};
/// # use reqwest_middleware::ClientBuilder;
/// # fn example(client: reqwest::Client, retry: impl reqwest_middleware::Middleware, sign: SignRequests) {
/// let client = ClientBuilder::new(client).with(retry).with(sign).build();
/// # }
/// ```
///
/// # Other servers
///
/// A token does not say which server it is for, and whoever receives it could
/// use it first. So requests are signed only to the origins (scheme, host and
/// port) that are named here; all others pass as they are.
///
/// For the same reason redirects should not be followed by the client beneath:
/// the same token would be sent a second time (within one origin; `reqwest`
/// removes it when the host changes), which is refused. [`client`](Self::client)
/// makes one that does not follow them.
#[derive(Clone, Debug)]
pub struct SignRequests {
    origins: Vec<Origin>,
    signer: Signer,
}

impl SignRequests {
    /// Signs requests to the origins of these URLs.
    pub fn to(urls: impl IntoIterator<Item = Url>, signer: Signer) -> Self {
        Self { origins: urls.into_iter().map(|url| url.origin()).collect(), signer }
    }

    /// A client that signs its requests and follows no redirects.
    ///
    /// # Errors
    /// [`reqwest::Error`] if TLS cannot be set up.
    pub fn client(self) -> reqwest::Result<ClientWithMiddleware> {
        let client = reqwest::Client::builder().redirect(redirect::Policy::none()).build()?;
        Ok(ClientBuilder::new(client).with(self).build())
    }
}

#[async_trait]
impl Middleware for SignRequests {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        if self.origins.contains(&request.url().origin()) {
            let value = self.signer.authorization_header().map_err(Error::middleware)?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        next.run(request, extensions).await
    }
}

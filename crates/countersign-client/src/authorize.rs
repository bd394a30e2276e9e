//! Puts a session's access token into requests to a service.

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{Extensions, StatusCode};
use reqwest::redirect;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, Middleware, Next};
use url::{Origin, Url};

use crate::session::Session;

/// A [`reqwest_middleware`] that puts a [`Session`]'s access token into each request,
/// in place of an `Authorization` header that is there.
///
/// ```no_run
/// use countersign_client::{ApiKey, AuthorizeRequests, Service, Session};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let service = Service::at("https://auth.example.org".parse()?).build()?;
/// let identifier = "0190f3c1-7e6d-7cc0-9a53-0c1f6f1d2a11".parse()?;
/// let session = Session::new(service, identifier, ApiKey::new("cs_...")?);
/// let client = AuthorizeRequests::to(["https://api.example.org".parse()?], session).client()?;
/// let invoices = client.get("https://api.example.org/invoices").send().await?;
/// # Ok(())
/// # }
/// ```
///
/// # When a token is refused
///
/// A `401` means that the request was not carried out. The token is
/// [invalidated](Session::invalidate), and the request is sent once more with the
/// next one, unless its body is a stream, which is gone: then the `401` is the answer.
/// So it is if the next token is refused as well. If no other token is to be had, the
/// error is the [`SessionError`](crate::SessionError), as
/// [`reqwest_middleware::Error::Middleware`].
///
/// A middleware that retries may stand before this one or behind it.
///
/// # Other servers
///
/// Whoever receives an access token can use it. So it is sent only to the origins
/// (scheme, host and port) that are named here; all other requests pass as they are.
/// Redirects should not be followed by the client beneath, which would send it on
/// within one host; [`client`](Self::client) makes one that does not.
#[derive(Clone, Debug)]
pub struct AuthorizeRequests {
    origins: Vec<Origin>,
    session: Session,
}

impl AuthorizeRequests {
    /// Authorizes requests to the origins of these URLs.
    pub fn to(urls: impl IntoIterator<Item = Url>, session: Session) -> Self {
        Self { origins: urls.into_iter().map(|url| url.origin()).collect(), session }
    }

    /// A client that authorizes its requests and follows no redirects.
    ///
    /// # Errors
    /// [`reqwest::Error`] if TLS cannot be set up.
    pub fn client(self) -> reqwest::Result<ClientWithMiddleware> {
        let client = reqwest::Client::builder().redirect(redirect::Policy::none()).build()?;
        Ok(ClientBuilder::new(client).with(self).build())
    }
}

#[async_trait]
impl Middleware for AuthorizeRequests {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        if !self.origins.contains(&request.url().origin()) {
            return next.run(request, extensions).await;
        }
        let token = self.session.access_token().await.map_err(Error::middleware)?;
        let again = request.try_clone();
        request.headers_mut().insert(AUTHORIZATION, token.authorization_header());
        let response = next.clone().run(request, extensions).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        self.session.invalidate(&token);
        let Some(mut again) = again else { return Ok(response) };
        let token = self.session.access_token().await.map_err(Error::middleware)?;
        again.headers_mut().insert(AUTHORIZATION, token.authorization_header());
        next.run(again, extensions).await
    }
}

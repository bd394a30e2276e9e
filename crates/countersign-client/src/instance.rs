//! Signs calls to the administration API of one Countersign instance.

use countersign_core::{BoundTo, RequestBinding};
use http::{HeaderValue, Method};
use url::Url;

use crate::signer::{Signer, SigningError, sensitive};

/// Makes `Authorization` headers for administrative calls.
///
/// Each is good for one request to one instance: besides what every signed
/// request carries, it names the instance, the method, the URI and the body's
/// SHA-256. Shown to another server it buys nothing.
#[derive(Clone, Debug)]
pub struct InstanceSigner {
    signer: Signer,
    instance_id: String,
}

impl InstanceSigner {
    pub(crate) fn new(signer: Signer, instance_id: String) -> Self {
        Self { signer, instance_id }
    }

    /// The id of the instance, which it tells at `GET /v1/instance`.
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// The value of a fresh `Authorization` header for a request with this
    /// method, URL and body (empty if it has none), marked as sensitive.
    ///
    /// # Errors
    /// [`SigningError`] if the algorithm does not fit the key or the scheme word
    /// cannot stand in a header.
    pub fn authorization_header(
        &self,
        method: &Method,
        url: &Url,
        body: &[u8],
    ) -> Result<HeaderValue, SigningError> {
        let request = RequestBinding::of(method.as_str(), &target_uri(url), body);
        let to = BoundTo { audience: &self.instance_id, request: &request };
        let Signer { request, clock, random } = &self.signer;
        sensitive(&request.bound_authorization(&**clock, &**random, &to)?)
    }

    /// Signs a request as it stands and puts the header in.
    ///
    /// # Errors
    /// [`SigningError::StreamedBody`] if the body is not in memory, and those of
    /// [`authorization_header`](Self::authorization_header).
    pub fn sign(&self, request: &mut reqwest::Request) -> Result<(), SigningError> {
        let body = match request.body() {
            Some(body) => body.as_bytes().ok_or(SigningError::StreamedBody)?,
            None => &[],
        };
        let value = self.authorization_header(request.method(), request.url(), body)?;
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
        Ok(())
    }
}

/// What the server sees of a URL: scheme, authority, path and query (RFC 9110
/// section 7.1).
fn target_uri(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    // Both fail only for URLs without a host, which have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use countersign_core::{AccountName, KeyKind, PrivateKey, UnverifiedToken};

    use super::*;

    fn signer() -> InstanceSigner {
        let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
        Signer::new(AccountName::new("ops").unwrap(), key).for_instance("instance-1")
    }

    #[test]
    fn the_token_names_instance_method_uri_and_body() {
        let url = "http://me:secret@127.0.0.1:8081/v1/accounts?group=a%20b#top".parse().unwrap();
        let body = br#"{"name":"x"}"#;
        let header = signer().authorization_header(&Method::POST, &url, body).unwrap();
        let token = header.to_str().unwrap().strip_prefix("JWT ").unwrap();
        let token = UnverifiedToken::parse(token).unwrap();
        let expected =
            RequestBinding::of("POST", "http://127.0.0.1:8081/v1/accounts?group=a%20b", body);
        assert_eq!(token.unverified_claims().binding(), Some(&expected));
        assert_eq!(token.unverified_claims().audience(), Some(&["instance-1".to_owned()][..]));
    }

    #[test]
    fn a_request_is_signed_with_its_body() {
        let url: Url = "http://127.0.0.1:8081/v1/accounts".parse().unwrap();
        let mut request = reqwest::Request::new(Method::POST, url.clone());
        *request.body_mut() = Some("{}".into());
        signer().sign(&mut request).unwrap();
        let header = request.headers()["authorization"].to_str().unwrap();
        let token = UnverifiedToken::parse(header.strip_prefix("JWT ").unwrap()).unwrap();
        let expected = RequestBinding::of("POST", url.as_str(), b"{}");
        assert_eq!(token.unverified_claims().binding(), Some(&expected));
    }
}

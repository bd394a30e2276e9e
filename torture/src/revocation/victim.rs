//! Accounts of which something is revoked.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::{AccountName, KeyKind, PrivateKey, RequestSigner};
use countersign_system::{SystemClock, SystemRandom};
use serde_json::{Value, json};

use super::administrator::Administrator;

/// What is done to a victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revocation {
    /// Its public key is revoked.
    PublicKey,
    /// Its API key is revoked, and with it the access token that it bought.
    ApiKey,
    /// Its access token is revoked.
    AccessToken,
    /// The account is disabled.
    Account,
}

impl Revocation {
    pub(super) const ALL: [Self; 4] =
        [Self::PublicKey, Self::ApiKey, Self::AccessToken, Self::Account];
}

/// An account with one credential of each kind.
pub(super) struct Victim {
    pub(super) what: Revocation,
    account: String,
    fingerprint: String,
    api_key_id: String,
    token_id: String,
    signed_requests: Credential,
    api_key: Credential,
    access_token: Credential,
}

/// What a caller proves itself with.
#[derive(Clone)]
pub(super) enum Credential {
    /// By a token for each request.
    SignedRequests(Arc<RequestSigner>),
    /// By this value each time.
    Bearer(Arc<str>),
}

impl Victim {
    pub(super) async fn register(
        administrator: &Administrator,
        number: usize,
        what: Revocation,
    ) -> Result<Self> {
        let account = format!("victim-{number}");
        let key = PrivateKey::generate(KeyKind::Ed25519)?;
        let body = json!({"name": account});
        let created = administrator.post("/v1/accounts", Some(body)).await?;
        let body = json!({"public_key": key.public_key().to_spki_pem()});
        administrator.post(&format!("/v1/accounts/{account}/keys"), Some(body)).await?;
        let api_keys = format!("/v1/accounts/{account}/api-keys");
        let registered = administrator.post(&api_keys, Some(json!({}))).await?;
        let api_key = text(&registered["key"])?;
        let token = administrator.access_token(&api_key, &text(&created["id"])?).await?;
        Ok(Self {
            what,
            fingerprint: key.public_key().fingerprints().jwk_thumbprint(),
            api_key_id: text(&registered["api_key"]["id"])?,
            token_id: token_id(&token)?,
            signed_requests: Credential::SignedRequests(Arc::new(RequestSigner::new(
                AccountName::new(&account)?,
                key,
            ))),
            api_key: Credential::bearer(&api_key),
            access_token: Credential::bearer(&token),
            account,
        })
    }

    /// Everything it proves itself with.
    pub(super) fn credentials(&self) -> [&Credential; 3] {
        [&self.signed_requests, &self.api_key, &self.access_token]
    }

    /// What must not be accepted when it is done.
    pub(super) fn condemned(&self) -> Vec<&Credential> {
        match self.what {
            Revocation::PublicKey => vec![&self.signed_requests],
            Revocation::ApiKey => vec![&self.api_key, &self.access_token],
            Revocation::AccessToken => vec![&self.access_token],
            Revocation::Account => self.credentials().into(),
        }
    }

    pub(super) async fn revoke(&self, administrator: &Administrator) -> Result<()> {
        let Self { account, fingerprint, api_key_id, token_id, .. } = self;
        let path = match self.what {
            Revocation::PublicKey => format!("/v1/accounts/{account}/keys/{fingerprint}/revoke"),
            Revocation::ApiKey => format!("/v1/accounts/{account}/api-keys/{api_key_id}/revoke"),
            Revocation::AccessToken => format!("/v1/tokens/{token_id}/revoke"),
            Revocation::Account => {
                let path = format!("/v1/accounts/{account}");
                return administrator.patch(&path, json!({"disabled": true})).await.map(drop);
            }
        };
        administrator.post(&path, None).await.map(drop)
    }
}

impl Credential {
    fn bearer(secret: &str) -> Self {
        Self::Bearer(format!("Bearer {secret}").into())
    }

    /// An `Authorization` value for one request.
    pub(super) fn authorization(&self) -> Result<String> {
        match self {
            Self::SignedRequests(signer) => Ok(signer.authorization(&SystemClock, &SystemRandom)?),
            Self::Bearer(value) => Ok(value.to_string()),
        }
    }
}

fn token_id(token: &str) -> Result<String> {
    let claims = token.split('.').nth(1).context("claims")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    text(&claims["jti"])
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("a text, not {value}"))?.to_owned())
}

//! jwthenticator's `Client` and `InternalClient`.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::script;
use crate::process::converse;

/// Both clients against a server, alive through some steps.
///
/// What they do that one would not expect:
/// - A 401 to `authenticate` makes the client forget its *key*, and a 401 to
///   `refresh` its refresh token; with any other failure it keeps them.
/// - `refresh` falls back to `authenticate` after any failure, unless told not to.
/// - A wrapped request that is answered with 401 is sent a second time with a
///   fresh token, and only then. So a client with a wrong token recovers by itself.
/// - Setting a malformed token raises, and sets it all the same.
/// - An answer with one member more than expected raises `ValidationError`.
#[derive(Clone, Debug, Serialize)]
pub struct Session {
    /// The base URL of the server's external routes.
    pub public: String,
    /// The base URL of its internal routes.
    pub internal: String,
    /// The caller's UUID.
    pub identifier: String,
    /// The key that the client is made with.
    pub key: Option<String>,
    /// The access token that it is made with.
    pub jwt: Option<String>,
    /// The refresh token that it is made with.
    pub refresh_token: Option<String>,
}

/// One call of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `InternalClient.register_key`.
    RegisterKey(String),
    /// `InternalClient.is_key_registered`; results in true or false.
    IsKeyRegistered(String),
    /// `Client.authenticate`.
    Authenticate,
    /// `Client.refresh`; authenticates when that fails, if so told.
    Refresh {
        /// The argument `auth_on_fail`.
        auth_on_fail: bool,
    },
    /// Asks `/validate` as the decorator does; results in true or false.
    Validate,
    /// Waits until the client takes its access token for expired.
    AwaitExpiry,
    /// Sets `Client.jwt`.
    SetJwt(Option<String>),
    /// `Client.get_with_auth`; results in `{"status": .., "body": ..}`.
    Get(String),
    /// `Client.post_with_auth` with a body; results in the same.
    Post(String, String),
}

/// What became of a step, and how the client was after it.
#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// What the call returned.
    pub result: Value,
    /// The name of the exception that it raised instead.
    pub error: Option<String>,
    /// What the exception said.
    pub message: String,
    /// The client's access token.
    pub jwt: Option<String>,
    /// The client's refresh token.
    pub refresh_token: Option<String>,
    /// Whether the client still has its key.
    pub has_key: bool,
    /// Whether the client takes its access token for expired, or has none.
    pub jwt_expired: bool,
}

impl Session {
    /// A client with a key, both kinds of routes at one URL.
    pub fn with_key(server: &str, identifier: &str, key: &str) -> Self {
        Self {
            public: server.into(),
            internal: server.into(),
            identifier: identifier.into(),
            key: Some(key.into()),
            jwt: None,
            refresh_token: None,
        }
    }

    /// Makes the clients and takes the steps; one outcome for each.
    ///
    /// # Errors
    /// If the clients cannot be made or the script fails; what a step raises is
    /// an [`Outcome`].
    pub fn run(&self, steps: &[Step]) -> Result<Vec<Outcome>> {
        let mut session = serde_json::to_value(self)?;
        session["steps"] = steps.iter().map(Step::call).collect();
        let outcomes: Vec<Outcome> = converse(&mut script("jwthenticator_client.py")?, &session)?;
        ensure!(outcomes.len() == steps.len(), "{} steps: {outcomes:?}", steps.len());
        Ok(outcomes)
    }
}

impl Step {
    fn call(&self) -> Value {
        match self {
            Self::RegisterKey(key) => json!(["register_key", key]),
            Self::IsKeyRegistered(key) => json!(["is_key_registered", key]),
            Self::Authenticate => json!(["authenticate"]),
            Self::Refresh { auth_on_fail } => json!(["refresh", auth_on_fail]),
            Self::Validate => json!(["validate"]),
            Self::AwaitExpiry => json!(["await_expiry"]),
            Self::SetJwt(jwt) => json!(["set_jwt", jwt]),
            Self::Get(url) => json!(["get_with_auth", url]),
            Self::Post(url, body) => json!(["post_with_auth", url, body]),
        }
    }
}

impl Outcome {
    /// What the call returned.
    ///
    /// # Errors
    /// If it raised an exception.
    pub fn value(&self) -> Result<&Value> {
        ensure!(self.error.is_none(), "it raised {self:?}");
        Ok(&self.result)
    }

    /// The claims of the client's access token, unverified.
    ///
    /// # Errors
    /// If it has none, or one that is no JWT.
    pub fn unverified_claims(&self) -> Result<Value> {
        let jwt = self.jwt.as_deref().context("the client has no access token")?;
        let claims = jwt.split('.').nth(1).context("no JWT")?;
        Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?)
    }
}

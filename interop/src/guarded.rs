//! A service of ours behind the middleware, without a network between.

use std::convert::Infallible;

use anyhow::Result;
use countersign_tower::{Authorize, Identity, Policy, RequireAuth, acl};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt as _};

/// What the service answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Guarded {
    /// The status.
    pub status: u16,
    /// The challenge.
    pub challenge: Option<String>,
    /// Who the caller is.
    pub caller: Option<Known>,
}

/// A caller, as the service knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its account.
    pub account: String,
    /// The groups it is in.
    pub groups: Vec<String>,
    /// The claims of its token.
    pub claims: Value,
}

impl Guarded {
    /// What a service with this policy answers to a request with these headers.
    ///
    /// # Errors
    /// If they are no headers.
    pub async fn by(policy: &Policy, authorizations: &[&str]) -> Result<Self> {
        Self::with_rules(policy, Authorize::new(acl![allow authenticated]), authorizations).await
    }

    /// The same where not everyone may pass who is known.
    ///
    /// # Errors
    /// If they are no headers.
    pub async fn with_rules(
        policy: &Policy,
        rules: Authorize,
        authorizations: &[&str],
    ) -> Result<Self> {
        let service = ServiceBuilder::new()
            .layer(RequireAuth::new(policy.clone()))
            .layer(rules)
            .service_fn(async |request: Request<()>| {
                let mut response = Response::new(String::new());
                let caller = Identity::find(request.extensions()).map(Known::of);
                response.extensions_mut().insert(caller);
                Ok::<_, Infallible>(response)
            });
        let mut request = Request::new(());
        for authorization in authorizations {
            request.headers_mut().append(AUTHORIZATION, authorization.parse()?);
        }
        let answer = service.oneshot(request).await?;
        let challenge = answer.headers().get(WWW_AUTHENTICATE);
        Ok(Self {
            status: answer.status().as_u16(),
            challenge: challenge.map(|value| value.to_str().map(str::to_owned)).transpose()?,
            caller: answer.extensions().get::<Option<Known>>().cloned().flatten(),
        })
    }

    /// The account.
    ///
    /// # Errors
    /// The status, if the caller is not known.
    pub fn account(&self) -> Result<&str, u16> {
        self.caller.as_ref().map(|caller| caller.account.as_str()).ok_or(self.status)
    }
}

impl Known {
    fn of(caller: &Identity) -> Self {
        let claims = caller.claims().and_then(|claims| serde_json::from_str(claims).ok());
        Self {
            account: caller.account().to_string(),
            groups: caller.groups().iter().map(ToString::to_string).collect(),
            claims: claims.unwrap_or_default(),
        }
    }
}

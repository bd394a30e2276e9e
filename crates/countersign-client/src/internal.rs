//! Registers keys with the service.

use countersign_core::ApiKey;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::call::CallError;
use crate::service::Service;

const CONFLICT: u16 = 409;

/// Registers keys at a service's internal listener, which is not open to callers.
///
/// ```no_run
/// use countersign_client::{ApiKey, InternalClient, Service};
/// use countersign_core::Random;
///
/// # async fn example(random: &dyn Random) -> Result<(), Box<dyn std::error::Error>> {
/// let service = Service::at("http://127.0.0.1:8081".parse()?).build()?;
/// let key = ApiKey::generate(random);
/// let identifier = "0190f3c1-7e6d-7cc0-9a53-0c1f6f1d2a11".parse()?;
/// InternalClient::new(service).register_key(&key, identifier).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct InternalClient {
    service: Service,
}

/// A key was not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterKeyError {
    /// The key is registered for another identifier, is revoked, or the account is
    /// disabled or of another origin. It is not said which.
    #[error(
        "the service refuses to register this key for this identifier: register a new key, or see its log"
    )]
    Conflict,
    /// The service did not answer as it should.
    #[error(transparent)]
    Call(CallError),
}

#[derive(Serialize)]
struct RegisterKey<'a> {
    key: &'a str,
    identifier: Uuid,
}

#[derive(Serialize)]
struct IsKeyRegistered<'a> {
    key: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    result: bool,
}

impl InternalClient {
    /// A client of the service whose internal routes are below this URL.
    pub fn new(service: Service) -> Self {
        Self { service }
    }

    /// Registers a key for an identifier, or renews its time if it is registered for it
    /// already.
    ///
    /// # Errors
    /// [`RegisterKeyError`] if it is not registered, or nobody knows whether it is.
    /// Repeating the call does no harm.
    pub async fn register_key(
        &self,
        key: &ApiKey,
        identifier: Uuid,
    ) -> Result<(), RegisterKeyError> {
        let body = RegisterKey { key: key.reveal(), identifier };
        match self.service.post("register_key", &body).await {
            Ok(Answer { result: true }) => Ok(()),
            Ok(Answer { result: false }) => Err(RegisterKeyError::Call(CallError::Malformed)),
            Err(CallError::Status(CONFLICT)) => Err(RegisterKeyError::Conflict),
            Err(error) => Err(RegisterKeyError::Call(error)),
        }
    }

    /// Whether a key is registered for any identifier.
    ///
    /// # Errors
    /// [`CallError`] if the service does not say so.
    pub async fn is_key_registered(&self, key: &ApiKey) -> Result<bool, CallError> {
        let body = IsKeyRegistered { key: key.reveal() };
        let Answer { result } = self.service.post("is_key_registered", &body).await?;
        Ok(result)
    }
}

//! From a key or a refresh token to an access token that is always fresh.

mod credentials;
mod held;
mod renewal;

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::access_token::AccessToken;
use crate::call::CallError;
use crate::service::Service;

pub use credentials::Credentials;
use renewal::{Asked, Renewal};

/// How many renewals one call waits for, if the runtimes that make them end.
const RENEWALS_PER_CALL: usize = 2;

/// Holds an access token and gets the next one in time. Clones share it.
///
/// ```no_run
/// use countersign_client::{ApiKey, Service, Session};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let service = Service::at("https://auth.example.org".parse()?).build()?;
/// let identifier = "0190f3c1-7e6d-7cc0-9a53-0c1f6f1d2a11".parse()?;
/// let session = Session::new(service, identifier, ApiKey::new("cs_...")?);
/// let header = session.access_token().await?.authorization_header();
/// # Ok(())
/// # }
/// ```
///
/// # When a token is renewed
///
/// When a fifth of its lifetime is left, at most a minute, the next call starts the
/// renewal and gets the token that is still good; so nobody waits. Only in the last
/// tenth of that time, and later, do calls wait. However many ask, one renewal is
/// under way: it runs as a task of its own, so that a caller that goes away stops
/// nobody. If a renewal fails while the token is still good, the token is handed
/// out, the failure is logged, and the next renewal is started a few seconds later
/// at the earliest.
///
/// The lifetime is what the token says of itself, counted from when it was asked
/// for. So the clocks of both sides need not agree; for a token that was
/// [held already](Credentials) they must. A token that says nothing is used until it
/// is [invalidated](Self::invalidate).
///
/// # How
///
/// With the refresh token, if there is one. When the service refuses it, it is dropped
/// for good and the key is used, if there is one. When the service refuses the key,
/// that is final: every later call gets the same [`SessionError`] and the
/// service is not asked again. An outage is waited for as the
/// [`RetryPolicy`](crate::RetryPolicy) says; after that, the error is that of this
/// call only.
#[derive(Clone)]
pub struct Session {
    renewal: Arc<Renewal>,
}

/// There is no access token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The service refused the key: it is unknown, expired or revoked, the account is
    /// disabled, or the identifier is another one's. Final.
    #[error(
        "the service refuses the key for this identifier: a new session with another key is needed"
    )]
    KeyRefused,
    /// The service refused the refresh token, and there is no key. Final.
    #[error("the service refuses the refresh token and there is no key: a new session is needed")]
    RefreshTokenRefused,
    /// The access token has ended or was refused, and there was never anything to
    /// get another with. Final.
    #[error(
        "the access token is of no more use and there is neither a refresh token nor a key: a new session is needed"
    )]
    NothingLeft,
    /// The service did not answer as it should. The next call asks it again.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl SessionError {
    /// Whether every later call of the same session gets the same error.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Call(_))
    }
}

impl Session {
    /// A session for the identifier that the key was registered for. It starts from an
    /// [`ApiKey`](crate::ApiKey), a [`RefreshToken`](crate::RefreshToken), an
    /// [`AccessToken`] that is held already, or more than one of them
    /// ([`Credentials`]). Nothing is sent before a token is asked for.
    pub fn new(service: Service, identifier: Uuid, credentials: impl Into<Credentials>) -> Self {
        Self { renewal: Arc::new(Renewal::new(service, identifier, credentials.into())) }
    }

    /// A token to use now.
    ///
    /// # Errors
    /// [`SessionError`] if there is none that is good and none is to be had.
    ///
    /// # Panics
    /// Outside of a tokio runtime, if the service must be asked.
    pub async fn access_token(&self) -> Result<AccessToken, SessionError> {
        for _ in 0..RENEWALS_PER_CALL {
            let under_way = match self.renewal.ask() {
                Asked::Token(token) => return Ok(token),
                Asked::Final(error) => return Err(error),
                Asked::Wait(under_way) => under_way,
            };
            if let Some(outcome) = under_way.outcome().await {
                return outcome;
            }
        }
        Err(CallError::CutOff.into())
    }

    /// Says that a service refused this token: it is not handed out again. A token
    /// that was renewed meanwhile stays, so however many requests are refused at
    /// the same time, one renewal follows.
    pub fn invalidate(&self, token: &AccessToken) {
        self.renewal.invalidate(token);
    }

    /// The refresh token that is held now, to start a session from it later. It is as
    /// secret as the key.
    pub fn refresh_token(&self) -> Option<crate::RefreshToken> {
        self.renewal.refresh_token()
    }

    /// The identifier that the session is for.
    pub fn identifier(&self) -> Uuid {
        self.renewal.identifier
    }

    /// The service that it asks.
    pub fn service(&self) -> &Service {
        &self.renewal.service
    }
}

impl fmt::Debug for Session {
    /// Shows which credentials there are, and none of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("service", self.service())
            .field("identifier", &self.identifier())
            .field("credentials", &self.renewal)
            .finish()
    }
}

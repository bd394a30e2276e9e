//! What a session starts from.

use countersign_core::{ApiKey, RefreshToken};

use crate::access_token::AccessToken;

/// What a session starts from: at least one of a key, a refresh token and an access
/// token. Made from the first, completed with the others:
///
/// ```
/// use countersign_client::{AccessToken, ApiKey, Credentials};
///
/// let held = AccessToken::new("eyJhbGciOiJFUzI1NiJ9.e30.c2ln")?;
/// let credentials = Credentials::from(ApiKey::new("cs_...")?).and_access_token(held);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Credentials {
    pub(super) key: Option<ApiKey>,
    pub(super) refresh_token: Option<RefreshToken>,
    pub(super) access_token: Option<AccessToken>,
}

impl Credentials {
    const NONE: Self = Self { key: None, refresh_token: None, access_token: None };

    /// The same and a key, which is used when there is no refresh token or the service
    /// refuses it.
    #[must_use]
    pub fn and_key(self, key: ApiKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The same and a refresh token, which is used before the key.
    #[must_use]
    pub fn and_refresh_token(self, token: RefreshToken) -> Self {
        Self { refresh_token: Some(token), ..self }
    }

    /// The same and an access token, which is used as long as it is good.
    #[must_use]
    pub fn and_access_token(self, token: AccessToken) -> Self {
        Self { access_token: Some(token), ..self }
    }
}

impl From<ApiKey> for Credentials {
    fn from(key: ApiKey) -> Self {
        Self::NONE.and_key(key)
    }
}

impl From<RefreshToken> for Credentials {
    fn from(token: RefreshToken) -> Self {
        Self::NONE.and_refresh_token(token)
    }
}

impl From<AccessToken> for Credentials {
    fn from(token: AccessToken) -> Self {
        Self::NONE.and_access_token(token)
    }
}

//! What has to be done from time to time.

use std::time::Duration;

use super::TokenService;

/// How often [`TokenService::maintain`] wants to be called.
pub const MAINTENANCE_INTERVAL: Duration = Duration::from_mins(1);

impl TokenService {
    /// Rotates the signing key if it is time, and forgets what has expired. What does
    /// not work now is logged and tried again at the next call.
    pub async fn maintain(&self) {
        let now = self.ports.clock.now();
        if let Err(error) = self.ring.maintain().await {
            tracing::warn!(%error, "the signing keys could not be looked after");
        }
        if let Err(error) = self.ports.api_keys.forget_revoked_tokens(now).await {
            tracing::warn!(%error, "revoked tokens that have expired could not be deleted");
        }
        loop {
            match self.ports.refresh_tokens.delete_expired_refresh_tokens(now).await {
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "expired refresh tokens could not be deleted");
                    return;
                }
            }
        }
    }
}

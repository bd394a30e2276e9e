//! Refresh tokens.

use async_trait::async_trait;
use countersign_core::ports::{RefreshTokenRecord, RefreshTokenStore, StoreError};
use countersign_core::{AccountId, SecretHash, UnixTime};

use super::{MemoryStore, State};

#[async_trait]
impl RefreshTokenStore for MemoryStore {
    async fn add_refresh_token(&self, token: RefreshTokenRecord) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let State { accounts, names, .. } = &*state;
        let held = names.get(&token.account).and_then(|name| accounts.get(name));
        if !held.is_some_and(|held| held.api_keys.iter().any(|key| key.id == token.api_key)) {
            return Ok(false);
        }
        state.refresh_tokens.insert(token.hash, token);
        Ok(true)
    }

    async fn refresh_token(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<RefreshTokenRecord>, StoreError> {
        Ok(self.lock().refresh_tokens.get(hash).copied())
    }

    async fn delete_expired_refresh_tokens(&self, now: UnixTime) -> Result<bool, StoreError> {
        self.lock().refresh_tokens.retain(|_, token| token.expires_at >= now);
        Ok(false)
    }
}

impl State {
    /// What goes with an account.
    pub(super) fn forget_refresh_tokens_of(&mut self, account: AccountId) {
        self.refresh_tokens.retain(|_, token| token.account != account);
    }
}

//! Changes to API keys and tokens through the directory.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::ports::{Act, ApiKeyRecord, ApiKeyStore, NewApiKey, StoreError};
use countersign_core::{AccountId, AccountName, ApiKeyId, UnixTime};
use uuid::Uuid;

use super::LiveDirectory;
use crate::registry::RegistryStore;

#[async_trait]
impl ApiKeyStore for LiveDirectory {
    async fn add_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        new: NewApiKey,
    ) -> Result<ApiKeyRecord, StoreError> {
        let (act, of) = (act.clone(), account.clone());
        let make = move |store: Arc<dyn RegistryStore>| async move {
            store.add_api_key(&act, &of, new).await
        };
        self.change(account, make).await
    }

    async fn api_keys(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<ApiKeyRecord>>, StoreError> {
        let mut keys = self.0.store.api_keys(account).await?;
        self.0.uses.overlay_api_keys(keys.iter_mut().flatten());
        Ok(keys)
    }

    async fn expire_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        key: ApiKeyId,
        expires_at: Option<UnixTime>,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        let (act, of) = (act.clone(), account.clone());
        let make = move |store: Arc<dyn RegistryStore>| async move {
            store.expire_api_key(&act, &of, key, expires_at).await
        };
        let mut key = self.change(account, make).await?;
        self.0.uses.overlay_api_keys(&mut key);
        Ok(key)
    }

    async fn revoke_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        key: ApiKeyId,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        let (act, of) = (act.clone(), account.clone());
        let make = move |store: Arc<dyn RegistryStore>| async move {
            store.revoke_api_key(&act, &of, key).await
        };
        let mut key = self.change(account, make).await?;
        self.0.uses.overlay_api_keys(&mut key);
        Ok(key)
    }

    async fn register_api_key(
        &self,
        act: &Act,
        identifier: AccountId,
        new: NewApiKey,
    ) -> Result<ApiKeyRecord, StoreError> {
        let name = AccountName::new(&identifier.to_string())
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let act = act.clone();
        let make = move |store: Arc<dyn RegistryStore>| async move {
            store.register_api_key(&act, identifier, new).await
        };
        self.change(&name, make).await
    }

    async fn revoke_token(
        &self,
        act: &Act,
        token_id: Uuid,
        remember_until: UnixTime,
    ) -> Result<(), StoreError> {
        // First here: if the store does not answer, it may have done it all the same,
        // and whoever revokes a token does not want it to be accepted.
        self.0.revoked_tokens.pin().insert(token_id, remember_until);
        self.0.map.count_change();
        self.0.store.revoke_token(act, token_id, remember_until).await
    }

    async fn forget_revoked_tokens(&self, now: UnixTime) -> Result<(), StoreError> {
        self.0.store.forget_revoked_tokens(now).await?;
        self.0.revoked_tokens.pin().retain(|_, remember_until| *remember_until >= now);
        Ok(())
    }
}

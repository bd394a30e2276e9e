//! Changes through the directory: into the store, then into the map.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::ports::{
    Account, AccountChange, AccountFilter, Act, AdminStore, AuditFilter, AuditRecord, JwksEndpoint,
    NewAccount, NewPublicKey, Page, PublicKeyRecord, StoreError,
};
use countersign_core::{AccountName, PublicKey, UnixTime};

use super::LiveDirectory;
use crate::registry::RegistryStore;

impl LiveDirectory {
    /// Makes a change to an account and brings its entry up to date, in a task
    /// of its own: a caller that goes away does not leave it half done.
    pub(super) async fn change<T, Making>(
        &self,
        name: &AccountName,
        make: impl FnOnce(Arc<dyn RegistryStore>) -> Making + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Making: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let (inner, name) = (Arc::clone(&self.0), name.clone());
        let changing = async move {
            let _turn = inner.turn.lock().await;
            inner.map.doubt(name.clone());
            let changed = make(Arc::clone(&inner.store)).await;
            if matches!(changed, Err(StoreError::Unavailable(_))) {
                // The store may have done it all the same, or may do it yet.
                inner.unsettled().insert(name);
            } else {
                inner.refresh(&name).await;
            }
            changed
        };
        let task = self.0.tasks.spawn(changing);
        task.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}

#[async_trait]
impl AdminStore for LiveDirectory {
    async fn create_account(&self, act: &Act, new: NewAccount) -> Result<Account, StoreError> {
        let (act, name) = (act.clone(), new.name.clone());
        self.change(&name, |store| async move { store.create_account(&act, new).await }).await
    }

    async fn account(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        let mut account = self.0.store.account(name).await?;
        self.0.uses.overlay_accounts(&mut account);
        Ok(account)
    }

    async fn accounts(
        &self,
        filter: &AccountFilter,
        page: Page<AccountName>,
    ) -> Result<Vec<Account>, StoreError> {
        let mut accounts = self.0.store.accounts(filter, page).await?;
        self.0.uses.overlay_accounts(&mut accounts);
        Ok(accounts)
    }

    async fn newest_accounts(
        &self,
        filter: &AccountFilter,
        page: Page<(UnixTime, AccountName)>,
    ) -> Result<Vec<Account>, StoreError> {
        let mut accounts = self.0.store.newest_accounts(filter, page).await?;
        self.0.uses.overlay_accounts(&mut accounts);
        Ok(accounts)
    }

    async fn change_account(
        &self,
        act: &Act,
        name: &AccountName,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError> {
        let (act, of) = (act.clone(), name.clone());
        let make = move |store: Arc<dyn RegistryStore>| async move {
            store.change_account(&act, &of, change).await
        };
        let mut account = self.change(name, make).await?;
        self.0.uses.overlay_accounts(&mut account);
        Ok(account)
    }

    async fn delete_account(&self, act: &Act, name: &AccountName) -> Result<bool, StoreError> {
        let (act, of) = (act.clone(), name.clone());
        self.change(name, |store| async move { store.delete_account(&act, &of).await }).await
    }

    async fn add_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        new: NewPublicKey,
    ) -> Result<PublicKeyRecord, StoreError> {
        let (act, of) = (act.clone(), account.clone());
        let make = move |store: Arc<dyn RegistryStore>| async move {
            store.add_public_key(&act, &of, new).await
        };
        let mut key = self.change(account, make).await?;
        self.0.uses.overlay_keys([&mut key]);
        Ok(key)
    }

    async fn public_keys(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<PublicKeyRecord>>, StoreError> {
        let mut keys = self.0.store.public_keys(account).await?;
        self.0.uses.overlay_keys(keys.iter_mut().flatten());
        Ok(keys)
    }

    async fn expire_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        fingerprint: &str,
        expires_at: Option<UnixTime>,
    ) -> Result<Option<PublicKeyRecord>, StoreError> {
        let (act, of, key) = (act.clone(), account.clone(), fingerprint.to_owned());
        let make = move |store: Arc<dyn RegistryStore>| async move {
            store.expire_public_key(&act, &of, &key, expires_at).await
        };
        let mut key = self.change(account, make).await?;
        self.0.uses.overlay_keys(&mut key);
        Ok(key)
    }

    async fn revoke_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        fingerprint: &str,
    ) -> Result<Option<PublicKeyRecord>, StoreError> {
        let (act, of, key) = (act.clone(), account.clone(), fingerprint.to_owned());
        let make = move |store: Arc<dyn RegistryStore>| async move {
            store.revoke_public_key(&act, &of, &key).await
        };
        let mut key = self.change(account, make).await?;
        self.0.uses.overlay_keys(&mut key);
        Ok(key)
    }

    async fn add_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<JwksEndpoint, StoreError> {
        let (act, of, url) = (act.clone(), account.clone(), url.to_owned());
        let make = move |store: Arc<dyn RegistryStore>| async move {
            store.add_jwks_endpoint(&act, &of, &url).await
        };
        let mut endpoint = self.change(account, make).await?;
        self.0.overlay_status([&mut endpoint]);
        Ok(endpoint)
    }

    async fn jwks_endpoints(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<JwksEndpoint>>, StoreError> {
        let mut endpoints = self.0.store.jwks_endpoints(account).await?;
        self.0.overlay_status(endpoints.iter_mut().flatten());
        Ok(endpoints)
    }

    async fn remove_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<bool, StoreError> {
        let (act, of, url) = (act.clone(), account.clone(), url.to_owned());
        let make = move |store: Arc<dyn RegistryStore>| async move {
            store.remove_jwks_endpoint(&act, &of, &url).await
        };
        self.change(account, make).await
    }

    async fn signed_in(&self, act: &Act, key: &PublicKey) -> Result<(), StoreError> {
        self.0.store.signed_in(act, key).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        page: Page<i64>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.0.store.audit(filter, page).await
    }

    async fn latest_audit(
        &self,
        filter: &AuditFilter,
        page: Page<i64>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.0.store.latest_audit(filter, page).await
    }
}

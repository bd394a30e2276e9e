//! A memory store whose trouble is under the test's control.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use countersign_core::ports::{
    Account, AccountChange, AccountFilter, Act, AdminStore, ApiKeyRecord, ApiKeyStore, AuditFilter,
    AuditRecord, JwksEndpoint, NewAccount, NewApiKey, NewPublicKey, Page, PublicKeyRecord,
    StoreError,
};
use countersign_core::{AccountId, AccountName, ApiKeyId, PublicKey, SecretHash, UnixTime};
use countersign_store::{CredentialUse, MemoryStore, RegistryStore, RevokedToken, StoredAccount};
use tokio::sync::Semaphore;
use uuid::Uuid;

pub(crate) struct Flaky {
    pub(crate) inner: MemoryStore,
    /// How many pages may still be delivered. A page is read before it waits.
    pub(crate) pages: Semaphore,
    /// How many changes may still be made.
    pub(crate) changes: Semaphore,
    /// How often a single account was read.
    pub(crate) loads: AtomicUsize,
    /// Whether reading a single account fails.
    pub(crate) cannot_load: AtomicBool,
    /// Whether changes are made, but said to have failed.
    pub(crate) loses_answers: AtomicBool,
    /// Whether writing down uses fails.
    pub(crate) cannot_record: AtomicBool,
    /// The batches of uses that were written down.
    pub(crate) recorded: Mutex<Vec<Vec<CredentialUse>>>,
}

impl Flaky {
    pub(crate) fn new() -> Self {
        Self {
            inner: MemoryStore::default(),
            pages: Semaphore::new(Semaphore::MAX_PERMITS),
            changes: Semaphore::new(Semaphore::MAX_PERMITS),
            loads: AtomicUsize::new(0),
            cannot_load: AtomicBool::new(false),
            loses_answers: AtomicBool::new(false),
            cannot_record: AtomicBool::new(false),
            recorded: Mutex::default(),
        }
    }

    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

fn trouble() -> StoreError {
    StoreError::Unavailable("out of order".to_owned())
}

#[async_trait]
impl AdminStore for Flaky {
    async fn create_account(&self, act: &Act, new: NewAccount) -> Result<Account, StoreError> {
        self.inner.create_account(act, new).await
    }

    async fn account(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        self.inner.account(name).await
    }

    async fn accounts(
        &self,
        filter: &AccountFilter,
        page: Page<AccountName>,
    ) -> Result<Vec<Account>, StoreError> {
        self.inner.accounts(filter, page).await
    }

    async fn newest_accounts(
        &self,
        filter: &AccountFilter,
        page: Page<(UnixTime, AccountName)>,
    ) -> Result<Vec<Account>, StoreError> {
        self.inner.newest_accounts(filter, page).await
    }

    async fn change_account(
        &self,
        act: &Act,
        name: &AccountName,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError> {
        self.changes.acquire().await.expect("open").forget();
        let changed = self.inner.change_account(act, name, change).await;
        if self.loses_answers.load(Ordering::SeqCst) { Err(trouble()) } else { changed }
    }

    async fn delete_account(&self, act: &Act, name: &AccountName) -> Result<bool, StoreError> {
        self.inner.delete_account(act, name).await
    }

    async fn add_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        new: NewPublicKey,
    ) -> Result<PublicKeyRecord, StoreError> {
        self.inner.add_public_key(act, account, new).await
    }

    async fn public_keys(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<PublicKeyRecord>>, StoreError> {
        self.inner.public_keys(account).await
    }

    async fn expire_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        fingerprint: &str,
        expires_at: Option<UnixTime>,
    ) -> Result<Option<PublicKeyRecord>, StoreError> {
        self.inner.expire_public_key(act, account, fingerprint, expires_at).await
    }

    async fn revoke_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        fingerprint: &str,
    ) -> Result<Option<PublicKeyRecord>, StoreError> {
        self.inner.revoke_public_key(act, account, fingerprint).await
    }

    async fn add_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<JwksEndpoint, StoreError> {
        self.inner.add_jwks_endpoint(act, account, url).await
    }

    async fn jwks_endpoints(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<JwksEndpoint>>, StoreError> {
        self.inner.jwks_endpoints(account).await
    }

    async fn remove_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<bool, StoreError> {
        self.inner.remove_jwks_endpoint(act, account, url).await
    }

    async fn signed_in(&self, act: &Act, key: &PublicKey) -> Result<(), StoreError> {
        self.inner.signed_in(act, key).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        page: Page<i64>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.inner.audit(filter, page).await
    }

    async fn latest_audit(
        &self,
        filter: &AuditFilter,
        page: Page<i64>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.inner.latest_audit(filter, page).await
    }
}

#[async_trait]
impl ApiKeyStore for Flaky {
    async fn add_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        new: NewApiKey,
    ) -> Result<ApiKeyRecord, StoreError> {
        self.inner.add_api_key(act, account, new).await
    }

    async fn api_keys(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<ApiKeyRecord>>, StoreError> {
        self.inner.api_keys(account).await
    }

    async fn expire_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        key: ApiKeyId,
        expires_at: Option<UnixTime>,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.inner.expire_api_key(act, account, key, expires_at).await
    }

    async fn revoke_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        key: ApiKeyId,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.inner.revoke_api_key(act, account, key).await
    }

    async fn register_api_key(
        &self,
        act: &Act,
        identifier: AccountId,
        new: NewApiKey,
    ) -> Result<ApiKeyRecord, StoreError> {
        self.inner.register_api_key(act, identifier, new).await
    }

    async fn revoke_token(
        &self,
        act: &Act,
        token_id: Uuid,
        remember_until: UnixTime,
    ) -> Result<(), StoreError> {
        self.inner.revoke_token(act, token_id, remember_until).await
    }

    async fn forget_revoked_tokens(&self, now: UnixTime) -> Result<(), StoreError> {
        self.inner.forget_revoked_tokens(now).await
    }
}

#[async_trait]
impl RegistryStore for Flaky {
    async fn load(&self, name: &AccountName) -> Result<Option<StoredAccount>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        if self.cannot_load.load(Ordering::SeqCst) {
            return Err(trouble());
        }
        self.inner.load(name).await
    }

    async fn load_page(&self, page: Page<AccountName>) -> Result<Vec<StoredAccount>, StoreError> {
        let read = self.inner.load_page(page).await;
        self.pages.acquire().await.expect("open").forget();
        read
    }

    async fn name_by_id(&self, id: AccountId) -> Result<Option<AccountName>, StoreError> {
        self.inner.name_by_id(id).await
    }

    async fn name_by_api_key(&self, hash: &SecretHash) -> Result<Option<AccountName>, StoreError> {
        self.inner.name_by_api_key(hash).await
    }

    async fn is_token_revoked(&self, token_id: Uuid) -> Result<bool, StoreError> {
        self.inner.is_token_revoked(token_id).await
    }

    async fn revoked_tokens(&self) -> Result<Vec<RevokedToken>, StoreError> {
        self.inner.revoked_tokens().await
    }

    async fn record_last_use(&self, uses: &[CredentialUse]) -> Result<(), StoreError> {
        if self.cannot_record.load(Ordering::SeqCst) {
            return Err(trouble());
        }
        self.recorded.lock().expect("a lock").push(uses.to_vec());
        self.inner.record_last_use(uses).await
    }

    async fn instance_id(&self, candidate: Uuid) -> Result<Uuid, StoreError> {
        self.inner.instance_id(candidate).await
    }

    async fn bootstrap_admin(
        &self,
        act: &Act,
        account: NewAccount,
        key: NewPublicKey,
    ) -> Result<bool, StoreError> {
        self.inner.bootstrap_admin(act, account, key).await
    }

    async fn recover_admin(
        &self,
        act: &Act,
        account: NewAccount,
        key: NewPublicKey,
    ) -> Result<Account, StoreError> {
        self.inner.recover_admin(act, account, key).await
    }
}

//! The registry of accounts in a SQL database.

mod accounts;
mod admins;
mod database;
mod endpoints;
mod keys;
mod load;
mod migrations;
mod rows;
mod statements;
mod trail;

use async_trait::async_trait;
use countersign_core::ports::{
    Account, AccountChange, AccountFilter, Act, AdminStore, AuditRecord, JwksEndpoint, NewAccount,
    NewPublicKey, Page, PublicKeyRecord, StoreError,
};
use countersign_core::{AccountName, UnixTime};
use uuid::Uuid;

pub use database::{Database, Durability, OpenError};

use crate::registry::{KeyUse, RegistryStore, StoredAccount, page_size};

/// Accounts, credentials and the audit trail in SQLite.
///
/// Each mutation is one transaction that holds the write lock from its first
/// statement on. Whether it may happen is a condition of the statement that does
/// it; what was read before is only for the audit trail and the answer.
#[derive(Clone, Debug)]
pub struct SqlStore {
    database: Database,
}

impl SqlStore {
    /// The store in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The database, to share it with other tables' users.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

#[async_trait]
impl AdminStore for SqlStore {
    async fn create_account(&self, act: &Act, new: NewAccount) -> Result<Account, StoreError> {
        accounts::create(&self.database, act, &new).await
    }

    async fn account(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        accounts::find(&self.database, name).await
    }

    async fn accounts(
        &self,
        filter: &AccountFilter,
        page: Page<AccountName>,
    ) -> Result<Vec<Account>, StoreError> {
        accounts::page(&self.database, filter, &page).await
    }

    async fn change_account(
        &self,
        act: &Act,
        name: &AccountName,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError> {
        match change {
            AccountChange::SetDisabled(disabled) => {
                accounts::set_disabled(&self.database, act, name, disabled).await
            }
            AccountChange::SetGroups(groups) => {
                accounts::set_groups(&self.database, act, name, &groups).await
            }
        }
    }

    async fn delete_account(&self, act: &Act, name: &AccountName) -> Result<bool, StoreError> {
        accounts::delete(&self.database, act, name).await
    }

    async fn add_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        new: NewPublicKey,
    ) -> Result<PublicKeyRecord, StoreError> {
        keys::add(&self.database, act, account, &new).await
    }

    async fn public_keys(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<PublicKeyRecord>>, StoreError> {
        keys::list(&self.database, account).await
    }

    async fn expire_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        fingerprint: &str,
        expires_at: Option<UnixTime>,
    ) -> Result<Option<PublicKeyRecord>, StoreError> {
        keys::expire(&self.database, act, account, fingerprint, expires_at).await
    }

    async fn revoke_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        fingerprint: &str,
    ) -> Result<Option<PublicKeyRecord>, StoreError> {
        keys::revoke(&self.database, act, account, fingerprint).await
    }

    async fn add_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<JwksEndpoint, StoreError> {
        endpoints::add(&self.database, act, account, url).await
    }

    async fn jwks_endpoints(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<JwksEndpoint>>, StoreError> {
        endpoints::list(&self.database, account).await
    }

    async fn remove_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<bool, StoreError> {
        endpoints::remove(&self.database, act, account, url).await
    }

    async fn audit(&self, page: Page<i64>) -> Result<Vec<AuditRecord>, StoreError> {
        trail::page(&self.database, &page).await
    }
}

#[async_trait]
impl RegistryStore for SqlStore {
    async fn load(&self, name: &AccountName) -> Result<Option<StoredAccount>, StoreError> {
        load::one(&self.database, name).await
    }

    async fn load_page(&self, page: Page<AccountName>) -> Result<Vec<StoredAccount>, StoreError> {
        load::page(&self.database, &page).await
    }

    async fn record_last_use(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        keys::record_last_use(&self.database, uses).await
    }

    async fn instance_id(&self, candidate: Uuid) -> Result<Uuid, StoreError> {
        load::instance_id(&self.database, candidate).await
    }

    async fn bootstrap_admin(
        &self,
        act: &Act,
        account: NewAccount,
        key: NewPublicKey,
    ) -> Result<bool, StoreError> {
        admins::bootstrap(&self.database, act, &account, &key).await
    }

    async fn recover_admin(
        &self,
        act: &Act,
        account: NewAccount,
        key: NewPublicKey,
    ) -> Result<Account, StoreError> {
        admins::recover(&self.database, act, &account, &key).await
    }
}

/// What the database says when it does not do what it should.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// How many rows to ask for.
fn limit<After>(page: &Page<After>) -> i64 {
    i64::try_from(page_size(page)).unwrap_or(i64::MAX)
}

//! The registry of accounts in a SQL database.

mod accounts;
mod admins;
mod api_keys;
mod belongings;
mod database;
mod endpoints;
mod foreign;
mod import;
mod inspection;
mod keys;
mod last_use;
mod load;
mod migrations;
mod postgres;
mod presence;
mod query;
mod refresh_tokens;
mod revoked_tokens;
mod rows;
mod shared_trail;
mod signing_keys;
mod sqlite;
mod statements;
mod trail;
mod visits;

use async_trait::async_trait;
use countersign_core::ports::{
    Account, AccountChange, AccountFilter, Act, AdminStore, ApiKeyRecord, ApiKeyStore, AuditFilter,
    AuditRecord, JwksEndpoint, NewAccount, NewApiKey, NewPublicKey, Page, PublicKeyRecord,
    RefreshTokenRecord, Resealed, SecretName, SigningKeyRecord, SigningKeyStore, StoreError,
    UnreadableSigningKey,
};
use countersign_core::{
    AccountId, AccountName, ApiKeyId, PublicKey, RotationStep, Sealed, SecretHash, UnixTime,
};
use uuid::Uuid;

pub use database::{Connections, Database, OpenError};
pub use foreign::{
    ForeignAccount, ForeignApiKey, ForeignDatabase, ForeignEndpoint, ForeignError,
    ForeignPublicKey, ForeignRefreshToken,
};
pub use inspection::Inspection;
pub use postgres::{PostgresLimits, PostgresServer, PostgresUrl, PostgresUrlError};
pub use presence::{Presence, PresenceError};
pub use query::TRACES;
pub use refresh_tokens::SqlRefreshTokens;
pub use shared_trail::PostgresTrail;
pub use sqlite::{Durability, SqliteFile};

use crate::audit::Entry;
use crate::import::{
    AccountImport, ApiKeyImport, ImportMode, ImportOutcome, ImportStore, ImportedAccount,
    ImportedApiKey,
};
use crate::registry::{CredentialUse, RegistryStore, RevokedToken, StoredAccount, page_size};

/// Accounts, credentials, signing keys and the audit trail in a database.
///
/// Each mutation is one transaction that keeps others from mutating from its first
/// statement on. Whether it may happen is a condition of the statement that does
/// it; what was read before is only for the audit trail and the answer.
#[derive(Clone, Debug)]
pub struct SqlStore {
    database: Database,
}

impl SqlStore {
    /// The store in this database.
    pub fn new(database: impl Into<Database>) -> Self {
        Self { database: database.into() }
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

    async fn newest_accounts(
        &self,
        filter: &AccountFilter,
        page: Page<(UnixTime, AccountName)>,
    ) -> Result<Vec<Account>, StoreError> {
        accounts::newest(&self.database, filter, &page).await
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
            AccountChange::RevokeTokens => accounts::revoke_tokens(&self.database, act, name).await,
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
        belongings::list(&self.database, account, &keys::OF_ACCOUNT).await
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
        belongings::list(&self.database, account, &endpoints::OF_ACCOUNT).await
    }

    async fn remove_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<bool, StoreError> {
        endpoints::remove(&self.database, act, account, url).await
    }

    async fn signed_in(&self, act: &Act, key: &PublicKey) -> Result<(), StoreError> {
        trail::add(&self.database, act, Entry::sign_in(key)).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        page: Page<i64>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        trail::page(&self.database, filter, &page).await
    }

    async fn latest_audit(
        &self,
        filter: &AuditFilter,
        page: Page<i64>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        trail::latest(&self.database, filter, &page).await
    }
}

#[async_trait]
impl ApiKeyStore for SqlStore {
    async fn add_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        new: NewApiKey,
    ) -> Result<ApiKeyRecord, StoreError> {
        api_keys::add(&self.database, act, account, &new).await
    }

    async fn api_keys(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<ApiKeyRecord>>, StoreError> {
        belongings::list(&self.database, account, &api_keys::OF_ACCOUNT).await
    }

    async fn expire_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        key: ApiKeyId,
        expires_at: Option<UnixTime>,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        api_keys::expire(&self.database, act, account, key, expires_at).await
    }

    async fn revoke_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        key: ApiKeyId,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        api_keys::revoke(&self.database, act, account, key).await
    }

    async fn register_api_key(
        &self,
        act: &Act,
        identifier: AccountId,
        new: NewApiKey,
    ) -> Result<ApiKeyRecord, StoreError> {
        api_keys::register(&self.database, act, identifier, &new).await
    }

    async fn revoke_token(
        &self,
        act: &Act,
        token_id: Uuid,
        remember_until: UnixTime,
    ) -> Result<(), StoreError> {
        revoked_tokens::revoke(&self.database, act, token_id, remember_until).await
    }

    async fn forget_revoked_tokens(&self, now: UnixTime) -> Result<(), StoreError> {
        revoked_tokens::forget(&self.database, now).await
    }
}

#[async_trait]
impl SigningKeyStore for SqlStore {
    async fn signing_keys(
        &self,
    ) -> Result<Vec<Result<SigningKeyRecord, UnreadableSigningKey>>, StoreError> {
        signing_keys::all(&self.database).await
    }

    async fn begin_ring(&self, act: &Act, keys: &[SigningKeyRecord]) -> Result<bool, StoreError> {
        signing_keys::begin(&self.database, act, keys).await
    }

    async fn add_signing_key(&self, act: &Act, key: &SigningKeyRecord) -> Result<bool, StoreError> {
        signing_keys::add(&self.database, act, key).await
    }

    async fn rotate_signing_keys(
        &self,
        act: &Act,
        step: &RotationStep,
        standby: &SigningKeyRecord,
    ) -> Result<bool, StoreError> {
        signing_keys::rotate(&self.database, act, step, standby).await
    }

    async fn retire_signing_key(
        &self,
        act: &Act,
        kid: &str,
        gone_at: UnixTime,
    ) -> Result<bool, StoreError> {
        signing_keys::drop(&self.database, act, kid, gone_at).await
    }

    async fn discard_signing_key(&self, act: &Act, kid: &str) -> Result<bool, StoreError> {
        signing_keys::discard(&self.database, act, kid).await
    }

    async fn secret(&self, name: &str, candidate: &Sealed) -> Result<Sealed, StoreError> {
        signing_keys::secret(&self.database, name, candidate).await
    }

    async fn sealed(&self) -> Result<Vec<(SecretName, Sealed)>, StoreError> {
        signing_keys::sealed(&self.database).await
    }

    async fn reseal(&self, act: &Act, all: &[Resealed]) -> Result<bool, StoreError> {
        signing_keys::reseal(&self.database, act, all).await
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

    async fn name_by_id(&self, id: AccountId) -> Result<Option<AccountName>, StoreError> {
        load::name_by_id(&self.database, id).await
    }

    async fn name_by_api_key(&self, hash: &SecretHash) -> Result<Option<AccountName>, StoreError> {
        load::name_by_api_key(&self.database, hash).await
    }

    async fn is_token_revoked(&self, token_id: Uuid) -> Result<bool, StoreError> {
        revoked_tokens::contains(&self.database, token_id).await
    }

    async fn revoked_tokens(&self) -> Result<Vec<RevokedToken>, StoreError> {
        revoked_tokens::all(&self.database).await
    }

    async fn record_last_use(&self, uses: &[CredentialUse]) -> Result<(), StoreError> {
        last_use::record(&self.database, uses).await
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

#[async_trait]
impl ImportStore for SqlStore {
    async fn import_api_keys(
        &self,
        act: &Act,
        keys: &[ImportedApiKey],
        mode: ImportMode,
    ) -> Result<Vec<ApiKeyImport>, StoreError> {
        import::api_keys(&self.database, act, keys, mode).await
    }

    async fn import_refresh_tokens(
        &self,
        act: &Act,
        tokens: &[RefreshTokenRecord],
        mode: ImportMode,
    ) -> Result<Vec<ImportOutcome>, StoreError> {
        import::refresh_tokens(&self.database, act, tokens, mode).await
    }

    async fn import_account(
        &self,
        act: &Act,
        account: &ImportedAccount,
        mode: ImportMode,
    ) -> Result<AccountImport, StoreError> {
        import::account(&self.database, act, account, mode).await
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

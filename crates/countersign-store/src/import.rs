//! What an import from another program writes, and what becomes of each row.
//!
//! An import changes nothing that is there: what an operator did here since the last
//! one, a revocation or another expiry, stays done.

use async_trait::async_trait;
use countersign_core::ports::{
    Account, Act, ApiKeyRecord, NewAccount, NewApiKey, NewPublicKey, RefreshTokenRecord, StoreError,
};
use countersign_core::{AccountId, AccountName, UnixTime};

/// Whether an import is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportMode {
    /// What is imported stays.
    Write,
    /// Everything is judged as if it were meant, and nothing stays.
    DryRun,
}

/// An API key of another installation, for the account that a registration with this
/// identifier makes.
#[derive(Clone, Debug)]
pub struct ImportedApiKey {
    /// The account's id and name.
    pub identifier: AccountId,
    /// The key.
    pub key: NewApiKey,
    /// When it was made.
    pub created_at: UnixTime,
}

/// What became of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyImport {
    /// Whether it is here now.
    pub outcome: ImportOutcome,
    /// The key here, if it may be used.
    pub key: Option<ApiKeyRecord>,
}

/// An account of another installation, with its credentials.
#[derive(Clone, Debug)]
pub struct ImportedAccount {
    /// The account, to be made if there is none of that name.
    pub account: NewAccount,
    /// Whether it is refused there.
    pub disabled: bool,
    /// Its public keys.
    pub keys: Vec<NewPublicKey>,
    /// The URLs of its JWKS endpoints, normalised.
    pub endpoints: Vec<String>,
}

/// What became of an account and, in the order given, of its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountImport {
    /// The account itself.
    pub account: ImportOutcome,
    /// Its public keys.
    pub keys: Vec<ImportOutcome>,
    /// Its JWKS endpoints.
    pub endpoints: Vec<ImportOutcome>,
}

/// What became of one thing that was to be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It is here now.
    Imported,
    /// It was here already, and is as it was.
    AlreadyThere,
    /// It was left out.
    LeftOut(LeftOut),
}

/// Why something is not imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeftOut {
    /// The account has this key, and it was revoked.
    #[error("the key was revoked here, and that is for good")]
    Revoked,
    /// One API key is one account's.
    #[error("the key belongs to another account here")]
    OthersKey,
    /// Keys that anybody could register must not become an operator's.
    #[error("the account here was made by an operator, or has groups")]
    OperatorsAccount,
    /// Who could add a key there must not get into groups here.
    #[error("the account has groups here, so only an operator may give it keys")]
    HasGroups,
    /// A key that was refused there must not be accepted here.
    #[error("the account is disabled there, but enabled here")]
    EnabledHere,
    /// The id that the name stands for is another account's.
    #[error("the id in the account's name is another account's here")]
    OthersId,
    /// The key of the token has gone meanwhile.
    #[error("the token's key is not here any more")]
    NoSuchKey,
}

/// A store that takes over what another program's database holds.
///
/// Each call is one transaction, with one audit record for each account and API key
/// that is new, and one for all refresh tokens. Importing again changes nothing.
#[async_trait]
pub trait ImportStore: Send + Sync {
    /// Imports API keys, and makes the accounts for them as a registration does: named
    /// by their identifiers, without groups. One outcome for each, in order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; nothing was imported then.
    async fn import_api_keys(
        &self,
        act: &Act,
        keys: &[ImportedApiKey],
        mode: ImportMode,
    ) -> Result<Vec<ApiKeyImport>, StoreError>;

    /// Imports refresh tokens of keys that are there. One outcome for each, in order.
    /// In a dry run their keys need not be there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; nothing was imported then.
    async fn import_refresh_tokens(
        &self,
        act: &Act,
        tokens: &[RefreshTokenRecord],
        mode: ImportMode,
    ) -> Result<Vec<ImportOutcome>, StoreError>;

    /// Imports an account with its public keys and JWKS endpoints. An account of that
    /// name that is there stays as it is, enabled or disabled; it is given further
    /// credentials only if it has no groups.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; nothing was imported then.
    async fn import_account(
        &self,
        act: &Act,
        account: &ImportedAccount,
        mode: ImportMode,
    ) -> Result<AccountImport, StoreError>;
}

impl ImportedApiKey {
    /// What the account is called.
    pub(crate) fn account_name(&self) -> Result<AccountName, StoreError> {
        AccountName::new(&self.identifier.to_string())
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// What becomes of it where its hash is known.
    pub(crate) fn judge(&self, known: ApiKeyRecord) -> ApiKeyImport {
        if known.account != self.identifier {
            ApiKeyImport::left_out(LeftOut::OthersKey)
        } else if known.revoked_at.is_some() {
            ApiKeyImport::left_out(LeftOut::Revoked)
        } else if known.id == self.key.id {
            ApiKeyImport { outcome: ImportOutcome::Imported, key: Some(known) }
        } else {
            ApiKeyImport { outcome: ImportOutcome::AlreadyThere, key: Some(known) }
        }
    }
}

impl ApiKeyImport {
    pub(crate) fn left_out(why: LeftOut) -> Self {
        Self { outcome: ImportOutcome::LeftOut(why), key: None }
    }
}

impl ImportedAccount {
    /// Why the account that is here may not be given further credentials.
    pub(crate) fn keep_off(&self, here: &Account) -> Option<LeftOut> {
        if !here.groups.is_empty() {
            Some(LeftOut::HasGroups)
        } else if self.disabled && !here.disabled {
            Some(LeftOut::EnabledHere)
        } else {
            None
        }
    }

    /// What becomes of it where the account cannot be made.
    pub(crate) fn left_out(&self, why: LeftOut) -> AccountImport {
        let why = ImportOutcome::LeftOut(why);
        AccountImport {
            account: why,
            keys: vec![why; self.keys.len()],
            endpoints: vec![why; self.endpoints.len()],
        }
    }
}

//! What an import writes.

use async_trait::async_trait;
use countersign_core::ports::{
    Act, ApiKeyRecord, NewAccount, NewPublicKey, RefreshTokenRecord, StoreError,
};
use serde_json::Value;

use super::{MemoryStore, State};
use crate::audit::{Entry, account_state};
use crate::import::{
    AccountImport, ApiKeyImport, ImportMode, ImportOutcome, ImportStore, ImportedAccount,
    ImportedApiKey, LeftOut,
};

#[async_trait]
impl ImportStore for MemoryStore {
    async fn import_api_keys(
        &self,
        act: &Act,
        keys: &[ImportedApiKey],
        mode: ImportMode,
    ) -> Result<Vec<ApiKeyImport>, StoreError> {
        self.attempt(mode, |state| {
            keys.iter().map(|imported| state.import_api_key(act, imported)).collect()
        })
    }

    async fn import_refresh_tokens(
        &self,
        act: &Act,
        tokens: &[RefreshTokenRecord],
        mode: ImportMode,
    ) -> Result<Vec<ImportOutcome>, StoreError> {
        self.attempt(mode, |state| {
            let import = |token| state.import_refresh_token(token, mode);
            let outcomes: Vec<_> = tokens.iter().map(import).collect();
            let is_new = |outcome: &&ImportOutcome| **outcome == ImportOutcome::Imported;
            let imported = outcomes.iter().filter(is_new).count();
            if imported > 0 {
                state.record(act, Entry::refresh_tokens(imported));
            }
            Ok(outcomes)
        })
    }

    async fn import_account(
        &self,
        act: &Act,
        account: &ImportedAccount,
        mode: ImportMode,
    ) -> Result<AccountImport, StoreError> {
        self.attempt(mode, |state| state.import_account(act, account))
    }
}

impl MemoryStore {
    /// Does it, and takes it back if it was not meant or failed.
    fn attempt<T>(
        &self,
        mode: ImportMode,
        work: impl FnOnce(&mut State) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = self.lock();
        let mut changed = state.clone();
        let done = work(&mut changed)?;
        if mode == ImportMode::Write {
            *state = changed;
        }
        Ok(done)
    }
}

impl State {
    fn import_api_key(
        &mut self,
        act: &Act,
        imported: &ImportedApiKey,
    ) -> Result<ApiKeyImport, StoreError> {
        let ImportedApiKey { identifier, key, created_at } = imported;
        let mut all = self.accounts.values().flat_map(|held| &held.api_keys);
        if let Some(known) = all.find(|known| known.hash == key.hash) {
            return Ok(imported.judge(known.clone()));
        }
        let name = imported.account_name()?;
        let new = NewAccount { id: *identifier, name: name.clone(), groups: Vec::new() };
        if let Some(held) = self.insert(act, new) {
            held.account.registered = true;
            let after = account_state(&held.account);
            let entry = Entry::account("account.import", name.as_str(), Value::Null, after);
            self.record(act, entry);
        }
        let registrable = self
            .accounts
            .get_mut(&name)
            .filter(|held| held.account.registered && held.account.groups.is_empty());
        let Some(held) = registrable else {
            return Ok(ApiKeyImport::left_out(LeftOut::OperatorsAccount));
        };
        let added = held.add_api_key(act, key.clone());
        let record = ApiKeyRecord { created_at: *created_at, ..added };
        held.replace_api_key(&record);
        self.record(act, Entry::api_key("api-key.import", name.as_str(), None, &record));
        Ok(ApiKeyImport { outcome: ImportOutcome::Imported, key: Some(record) })
    }

    fn import_refresh_token(
        &mut self,
        token: &RefreshTokenRecord,
        mode: ImportMode,
    ) -> ImportOutcome {
        if self.refresh_tokens.contains_key(&token.hash) {
            return ImportOutcome::AlreadyThere;
        }
        let mut keys = self.accounts.values().flat_map(|held| &held.api_keys);
        if mode == ImportMode::Write && !keys.any(|key| key.id == token.api_key) {
            return ImportOutcome::LeftOut(LeftOut::NoSuchKey);
        }
        self.refresh_tokens.insert(token.hash, *token);
        ImportOutcome::Imported
    }

    fn import_account(
        &mut self,
        act: &Act,
        imported: &ImportedAccount,
    ) -> Result<AccountImport, StoreError> {
        let name = &imported.account.name;
        let here = self.accounts.get(name).map(|held| &held.account);
        let keep_off = here.and_then(|here| imported.keep_off(here));
        let account = if here.is_some() {
            ImportOutcome::AlreadyThere
        } else if let Some(held) = self.insert(act, imported.account.clone()) {
            held.account.disabled = imported.disabled;
            let after = account_state(&held.account);
            let entry = Entry::account("account.import", name.as_str(), Value::Null, after);
            self.record(act, entry);
            ImportOutcome::Imported
        } else {
            return Ok(imported.left_out(LeftOut::OthersId));
        };
        let keys = imported.keys.iter();
        let keys = keys.map(|key| self.import_public_key(act, (imported, key), keep_off));
        let keys = keys.collect::<Result<_, _>>()?;
        let mut endpoints = Vec::new();
        for url in &imported.endpoints {
            endpoints.push(self.import_endpoint(act, (imported, url), keep_off)?);
        }
        Ok(AccountImport { account, keys, endpoints })
    }

    fn import_public_key(
        &mut self,
        act: &Act,
        (imported, new): (&ImportedAccount, &NewPublicKey),
        keep_off: Option<LeftOut>,
    ) -> Result<ImportOutcome, StoreError> {
        let name = &imported.account.name;
        let held = self.accounts.get_mut(name).ok_or(StoreError::NoSuchAccount)?;
        let is_there = held.keys.iter().any(|known| known.key == new.key);
        if let (false, Some(why)) = (is_there, keep_off) {
            return Ok(ImportOutcome::LeftOut(why));
        }
        match held.add_key(act, new.clone()) {
            Ok((None, after)) => {
                self.record(act, Entry::key("key.import", name.as_str(), None, &after));
                Ok(ImportOutcome::Imported)
            }
            Ok((Some(_), _)) => Ok(ImportOutcome::AlreadyThere),
            Err(StoreError::KeyRevoked) => Ok(ImportOutcome::LeftOut(LeftOut::Revoked)),
            Err(error) => Err(error),
        }
    }

    fn import_endpoint(
        &mut self,
        act: &Act,
        (imported, url): (&ImportedAccount, &str),
        keep_off: Option<LeftOut>,
    ) -> Result<ImportOutcome, StoreError> {
        let name = &imported.account.name;
        let held = self.accounts.get_mut(name).ok_or(StoreError::NoSuchAccount)?;
        if held.endpoints.iter().any(|known| known.url == url) {
            return Ok(ImportOutcome::AlreadyThere);
        }
        if let Some(why) = keep_off {
            return Ok(ImportOutcome::LeftOut(why));
        }
        let after = held.trust(act, url);
        let entry = Entry::endpoint("jwks-endpoint.import", name.as_str(), None, Some(&after));
        self.record(act, entry);
        Ok(ImportOutcome::Imported)
    }
}

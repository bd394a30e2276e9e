//! API keys, and access tokens that were revoked by their id.

use async_trait::async_trait;
use countersign_core::ports::{Act, ApiKeyRecord, ApiKeyStore, NewAccount, NewApiKey, StoreError};
use countersign_core::{AccountId, AccountName, ApiKeyId, UnixTime};
use serde_json::Value;
use uuid::Uuid;

use super::{Held, MemoryStore, State};
use crate::audit::{Entry, account_state};

#[async_trait]
impl ApiKeyStore for MemoryStore {
    async fn add_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        new: NewApiKey,
    ) -> Result<ApiKeyRecord, StoreError> {
        let mut state = self.lock();
        if !state.accounts.contains_key(account) {
            return Err(StoreError::NoSuchAccount);
        }
        if state.has_api_key(|key| key.hash == new.hash || key.id == new.id) {
            return Err(StoreError::ApiKeyExists);
        }
        let held = state.accounts.get_mut(account).ok_or(StoreError::NoSuchAccount)?;
        let after = held.add_api_key(act, new);
        state.record(act, Entry::api_key("api-key.add", account.as_str(), None, &after));
        Ok(after)
    }

    async fn api_keys(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<ApiKeyRecord>>, StoreError> {
        Ok(self.lock().accounts.get(account).map(|held| held.api_keys.clone()))
    }

    async fn expire_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        key: ApiKeyId,
        expires_at: Option<UnixTime>,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.lock().change_api_key(act, "api-key.expire", (account, key), |key| {
            if key.revoked_at.is_some() {
                return Err(StoreError::KeyRevoked);
            }
            key.expires_at = expires_at;
            Ok(())
        })
    }

    async fn revoke_api_key(
        &self,
        act: &Act,
        account: &AccountName,
        key: ApiKeyId,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.lock().change_api_key(act, "api-key.revoke", (account, key), |key| {
            key.revoked_at.get_or_insert(act.at);
            Ok(())
        })
    }

    async fn register_api_key(
        &self,
        act: &Act,
        identifier: AccountId,
        new: NewApiKey,
    ) -> Result<ApiKeyRecord, StoreError> {
        let mut state = self.lock();
        let name = AccountName::new(&identifier.to_string())
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let is_new = !state.accounts.contains_key(&name) && !state.names.contains_key(&identifier);
        let elsewhere = |held: &Held| held.account.name != name && held.has_hash(&new);
        if state.accounts.values().any(elsewhere) {
            return Err(StoreError::NotRegistrable);
        }
        if is_new {
            let account = NewAccount { id: identifier, name: name.clone(), groups: Vec::new() };
            let held = state.insert(act, account).ok_or(StoreError::NotRegistrable)?;
            held.account.registered = true;
            let after = account_state(&held.account);
            let entry = Entry::account("account.register", name.as_str(), Value::Null, after);
            state.record(act, entry);
        }
        let held = state.accounts.get_mut(&name).ok_or(StoreError::NotRegistrable)?;
        let account = &held.account;
        if !account.registered || account.disabled || !account.groups.is_empty() {
            return Err(StoreError::NotRegistrable);
        }
        let before = held.api_keys.iter().find(|key| key.hash == new.hash).cloned();
        let after = match &before {
            Some(known) if known.revoked_at.is_some() => return Err(StoreError::NotRegistrable),
            Some(known) => {
                let renewed = ApiKeyRecord { expires_at: new.expires_at, ..known.clone() };
                held.replace_api_key(&renewed);
                renewed
            }
            None => held.add_api_key(act, new),
        };
        let entry = Entry::api_key("api-key.register", name.as_str(), before.as_ref(), &after);
        state.record(act, entry);
        Ok(after)
    }

    async fn revoke_token(
        &self,
        act: &Act,
        token_id: Uuid,
        remember_until: UnixTime,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        let known = state.revoked_tokens.entry(token_id).or_insert(remember_until);
        *known = remember_until.max(*known);
        state.record(act, Entry::token(token_id, remember_until));
        Ok(())
    }

    async fn forget_revoked_tokens(&self, now: UnixTime) -> Result<(), StoreError> {
        self.lock().revoked_tokens.retain(|_, remember_until| *remember_until >= now);
        Ok(())
    }
}

impl State {
    fn has_api_key(&self, is_it: impl Fn(&ApiKeyRecord) -> bool) -> bool {
        self.accounts.values().flat_map(|held| &held.api_keys).any(is_it)
    }

    fn change_api_key(
        &mut self,
        act: &Act,
        action: &'static str,
        (account, key): (&AccountName, ApiKeyId),
        change: impl FnOnce(&mut ApiKeyRecord) -> Result<(), StoreError>,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        let Some(held) = self.accounts.get_mut(account) else { return Ok(None) };
        let Some(before) = held.api_keys.iter().find(|held| held.id == key).cloned() else {
            return Ok(None);
        };
        let mut after = before.clone();
        change(&mut after)?;
        held.replace_api_key(&after);
        self.record(act, Entry::api_key(action, account.as_str(), Some(&before), &after));
        Ok(Some(after))
    }
}

impl Held {
    fn has_hash(&self, new: &NewApiKey) -> bool {
        self.api_keys.iter().any(|key| key.hash == new.hash)
    }

    pub(super) fn add_api_key(&mut self, act: &Act, new: NewApiKey) -> ApiKeyRecord {
        let record = ApiKeyRecord {
            id: new.id,
            account: self.account.id,
            hash: new.hash,
            comment: new.comment,
            created_at: act.at,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
            last_used_from: None,
        };
        self.api_keys.push(record.clone());
        record
    }

    pub(super) fn replace_api_key(&mut self, changed: &ApiKeyRecord) {
        for key in self.api_keys.iter_mut().filter(|key| key.id == changed.id) {
            key.clone_from(changed);
        }
    }
}

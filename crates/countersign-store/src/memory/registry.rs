//! What a directory, a first start and the fetcher of JWKS endpoints need.

use std::net::IpAddr;
use std::ops::Bound;

use async_trait::async_trait;
use countersign_core::ports::{Account, Act, NewAccount, NewPublicKey, Page, StoreError};
use countersign_core::{ADMIN_GROUP, AccountId, AccountName, GroupName, SecretHash, UnixTime};
use serde_json::Value;
use uuid::Uuid;

use super::{Held, MemoryStore, State, sorted};
use crate::audit::{Entry, whole_account_state};
use crate::registry::{
    CredentialUse, RegistryStore, RevokedToken, StoredAccount, UsedCredential, page_size,
};

#[async_trait]
impl RegistryStore for MemoryStore {
    async fn load(&self, name: &AccountName) -> Result<Option<StoredAccount>, StoreError> {
        Ok(self.lock().accounts.get(name).map(Held::stored))
    }

    async fn load_page(&self, page: Page<AccountName>) -> Result<Vec<StoredAccount>, StoreError> {
        let state = self.lock();
        Ok(state.behind(page.after.as_ref()).take(page_size(&page)).map(Held::stored).collect())
    }

    async fn name_by_id(&self, id: AccountId) -> Result<Option<AccountName>, StoreError> {
        Ok(self.lock().names.get(&id).cloned())
    }

    async fn name_by_api_key(&self, hash: &SecretHash) -> Result<Option<AccountName>, StoreError> {
        let state = self.lock();
        let has = |held: &&Held| held.api_keys.iter().any(|key| key.hash == *hash);
        Ok(state.accounts.values().find(has).map(|held| held.account.name.clone()))
    }

    async fn is_token_revoked(&self, token_id: Uuid) -> Result<bool, StoreError> {
        Ok(self.lock().revoked_tokens.contains_key(&token_id))
    }

    async fn revoked_tokens(&self) -> Result<Vec<RevokedToken>, StoreError> {
        let state = self.lock();
        let tokens = state.revoked_tokens.iter();
        Ok(tokens
            .map(|(&token_id, &remember_until)| RevokedToken { token_id, remember_until })
            .collect())
    }

    async fn record_last_use(&self, uses: &[CredentialUse]) -> Result<(), StoreError> {
        let State { accounts, names, .. } = &mut *self.lock();
        for used in uses {
            let name = names.get(&used.account);
            if let Some(held) = name.and_then(|name| accounts.get_mut(name)) {
                held.record_use(used);
            }
        }
        Ok(())
    }

    async fn instance_id(&self, candidate: Uuid) -> Result<Uuid, StoreError> {
        Ok(*self.lock().instance.get_or_insert(candidate))
    }

    async fn bootstrap_admin(
        &self,
        act: &Act,
        account: NewAccount,
        key: NewPublicKey,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock();
        if !state.accounts.is_empty() {
            return Ok(false);
        }
        state.make_admin(act, account, key)?;
        let Some(held) = state.accounts.values().next() else { return Ok(false) };
        let (name, after) = (held.account.name.clone(), held.state());
        state.record(act, Entry::account("admin.bootstrap", name.as_str(), Value::Null, after));
        Ok(true)
    }

    async fn recover_admin(
        &self,
        act: &Act,
        account: NewAccount,
        key: NewPublicKey,
    ) -> Result<Account, StoreError> {
        let mut state = self.lock();
        let name = account.name.clone();
        let before = state.accounts.get(&name).map_or(Value::Null, Held::state);
        let held = state.make_admin(act, account, key)?;
        let (account, after) = (held.account.clone(), held.state());
        state.record(act, Entry::account("admin.recover", name.as_str(), before, after));
        Ok(account)
    }
}

impl State {
    /// The accounts behind that name, in order.
    pub(super) fn behind(&self, after: Option<&AccountName>) -> impl Iterator<Item = &Held> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.accounts.range::<AccountName, _>((from, Bound::Unbounded)).map(|(_, held)| held)
    }

    /// Makes the account if need be, enabled, in the group `admin`, with the key.
    fn make_admin(
        &mut self,
        act: &Act,
        new: NewAccount,
        key: NewPublicKey,
    ) -> Result<&mut Held, StoreError> {
        let (name, public, expires_at) = (new.name.clone(), key.key.clone(), key.expires_at);
        if let Some(existing) = self.accounts.get(&name) {
            let mut keys = existing.keys.iter();
            if keys.any(|key| key.key == public && key.revoked_at.is_some()) {
                return Err(StoreError::KeyRevoked);
            }
        } else {
            self.insert(act, new).ok_or(StoreError::AccountExists)?;
        }
        let held = self.accounts.get_mut(&name).ok_or(StoreError::NoSuchAccount)?;
        held.add_key(act, key)?;
        for key in held.keys.iter_mut().filter(|key| key.key == public) {
            key.expires_at = expires_at;
        }
        let mut groups = held.account.groups.clone();
        // Unwrap safety: the name is a constant that keeps the rule for group names.
        groups.push(GroupName::new(ADMIN_GROUP).expect("a valid group name"));
        held.account.groups = sorted(groups);
        held.account.disabled = false;
        Ok(held)
    }
}

impl Held {
    fn stored(&self) -> StoredAccount {
        let endpoints = self.endpoints.iter().map(|endpoint| endpoint.url.clone()).collect();
        StoredAccount {
            account: self.account.clone(),
            keys: self.keys.clone(),
            endpoints,
            api_keys: self.api_keys.clone(),
        }
    }

    pub(super) fn state(&self) -> Value {
        whole_account_state(&self.account, &self.keys, &self.endpoints, &self.api_keys)
    }

    fn record_use(&mut self, used: &CredentialUse) {
        let note = |at: &mut Option<UnixTime>, from: &mut Option<IpAddr>| {
            if at.is_none_or(|known| known < used.at) {
                (*at, *from) = (Some(used.at), used.from);
            }
        };
        note(&mut self.account.last_used_at, &mut self.account.last_used_from);
        match &used.credential {
            UsedCredential::PublicKey(fingerprints) => {
                let mut keys = self.keys.iter_mut();
                if let Some(key) = keys.find(|key| key.key.fingerprints() == fingerprints) {
                    note(&mut key.last_used_at, &mut key.last_used_from);
                }
            }
            UsedCredential::ApiKey(id) => {
                if let Some(key) = self.api_keys.iter_mut().find(|key| key.id == *id) {
                    note(&mut key.last_used_at, &mut key.last_used_from);
                }
            }
        }
    }
}

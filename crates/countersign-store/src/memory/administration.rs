//! The administration port.

use async_trait::async_trait;
use countersign_core::ports::{
    Account, AccountChange, AccountCondition, AccountFilter, Act, AdminStore, AuditFilter,
    AuditRecord, JwksEndpoint, NewAccount, NewPublicKey, Page, PublicKeyRecord, StoreError,
};
use countersign_core::{ADMIN_GROUP, AccountName, PublicKey, UnixTime};
use serde_json::Value;

use super::{Held, MemoryStore, State, sorted};
use crate::audit::{Entry, account_state};
use crate::registry::page_size;

#[async_trait]
impl AdminStore for MemoryStore {
    async fn create_account(&self, act: &Act, new: NewAccount) -> Result<Account, StoreError> {
        let mut state = self.lock();
        let held = state.insert(act, new).ok_or(StoreError::AccountExists)?;
        let account = held.account.clone();
        let (name, after) = (account.name.as_str(), account_state(&account));
        state.record(act, Entry::account("account.create", name, Value::Null, after));
        Ok(account)
    }

    async fn account(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        Ok(self.lock().accounts.get(name).map(|held| held.account.clone()))
    }

    async fn accounts(
        &self,
        filter: &AccountFilter,
        page: Page<AccountName>,
    ) -> Result<Vec<Account>, StoreError> {
        let state = self.lock();
        let shown = state.behind(page.after.as_ref()).filter(|held| held.passes(filter));
        Ok(shown.take(page_size(&page)).map(|held| held.account.clone()).collect())
    }

    async fn newest_accounts(
        &self,
        filter: &AccountFilter,
        page: Page<(UnixTime, AccountName)>,
    ) -> Result<Vec<Account>, StoreError> {
        let state = self.lock();
        let position = |account: &Account| (account.created_at, account.name.clone());
        let mut shown: Vec<_> = state
            .behind(None)
            .filter(|held| held.passes(filter))
            .map(|held| &held.account)
            .filter(|account| page.after.as_ref().is_none_or(|after| position(account) < *after))
            .collect();
        shown.sort_by_key(|account| std::cmp::Reverse(position(account)));
        Ok(shown.into_iter().take(page_size(&page)).cloned().collect())
    }

    async fn change_account(
        &self,
        act: &Act,
        name: &AccountName,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError> {
        let mut state = self.lock();
        let can_spare = state.can_spare(name, act.at);
        let Some(held) = state.accounts.get_mut(name) else { return Ok(None) };
        let before = held.account.clone();
        let action = match change {
            AccountChange::SetDisabled(disabled) => {
                if disabled && !can_spare {
                    return Err(StoreError::LastAdmin);
                }
                held.account.disabled = disabled;
                if disabled { "account.disable" } else { "account.enable" }
            }
            AccountChange::SetGroups(groups) => {
                let stays = groups.iter().any(|group| group.as_str() == ADMIN_GROUP);
                if !stays && !can_spare {
                    return Err(StoreError::LastAdmin);
                }
                held.account.groups = sorted(groups);
                "account.set-groups"
            }
            AccountChange::RevokeTokens => {
                let revoked_at = &mut held.account.tokens_revoked_at;
                *revoked_at = Some(revoked_at.map_or(act.at, |earlier| earlier.max(act.at)));
                "account.revoke-tokens"
            }
        };
        let after = held.account.clone();
        let (was, is) = (account_state(&before), account_state(&after));
        state.record(act, Entry::account(action, name.as_str(), was, is));
        Ok(Some(after))
    }

    async fn delete_account(&self, act: &Act, name: &AccountName) -> Result<bool, StoreError> {
        let mut state = self.lock();
        if !state.can_spare(name, act.at) {
            return Err(StoreError::LastAdmin);
        }
        let Some(held) = state.accounts.remove(name) else { return Ok(false) };
        state.names.remove(&held.account.id);
        let was = held.state();
        state.forget_refresh_tokens_of(held.account.id);
        state.visits.retain(|_, visit| visit.account != held.account.id);
        state.record(act, Entry::account("account.delete", name.as_str(), was, Value::Null));
        Ok(true)
    }

    async fn add_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        new: NewPublicKey,
    ) -> Result<PublicKeyRecord, StoreError> {
        let mut state = self.lock();
        let held = state.accounts.get_mut(account).ok_or(StoreError::NoSuchAccount)?;
        let (before, after) = held.add_key(act, new)?;
        state.record(act, Entry::key("key.add", account.as_str(), before.as_ref(), &after));
        Ok(after)
    }

    async fn public_keys(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<PublicKeyRecord>>, StoreError> {
        Ok(self.lock().accounts.get(account).map(|held| held.keys.clone()))
    }

    async fn expire_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        fingerprint: &str,
        expires_at: Option<UnixTime>,
    ) -> Result<Option<PublicKeyRecord>, StoreError> {
        let change = |key: &mut PublicKeyRecord| {
            if key.revoked_at.is_some() {
                return Err(StoreError::KeyRevoked);
            }
            key.expires_at = expires_at;
            Ok(())
        };
        self.lock().change_key(act, "key.expire", (account, fingerprint), change)
    }

    async fn revoke_public_key(
        &self,
        act: &Act,
        account: &AccountName,
        fingerprint: &str,
    ) -> Result<Option<PublicKeyRecord>, StoreError> {
        let change = |key: &mut PublicKeyRecord| {
            key.revoked_at.get_or_insert(act.at);
            Ok(())
        };
        self.lock().change_key(act, "key.revoke", (account, fingerprint), change)
    }

    async fn add_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<JwksEndpoint, StoreError> {
        let mut state = self.lock();
        let held = state.accounts.get_mut(account).ok_or(StoreError::NoSuchAccount)?;
        let before = held.endpoints().into_iter().find(|endpoint| endpoint.url == url);
        let after = before.clone().unwrap_or_else(|| held.trust(act, url));
        let (name, is) = (account.as_str(), Some(&after));
        state.record(act, Entry::endpoint("jwks-endpoint.add", name, before.as_ref(), is));
        Ok(after)
    }

    async fn jwks_endpoints(
        &self,
        account: &AccountName,
    ) -> Result<Option<Vec<JwksEndpoint>>, StoreError> {
        Ok(self.lock().accounts.get(account).map(Held::endpoints))
    }

    async fn remove_jwks_endpoint(
        &self,
        act: &Act,
        account: &AccountName,
        url: &str,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let Some(held) = state.accounts.get_mut(account) else { return Ok(false) };
        let place = held.endpoints.iter().position(|endpoint| endpoint.url == url);
        let Some(place) = place else { return Ok(false) };
        let removed = held.endpoints.remove(place);
        let name = account.as_str();
        state.record(act, Entry::endpoint("jwks-endpoint.remove", name, Some(&removed), None));
        Ok(true)
    }

    async fn signed_in(&self, act: &Act, key: &PublicKey) -> Result<(), StoreError> {
        self.lock().record(act, Entry::sign_in(key));
        Ok(())
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        page: Page<i64>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let state = self.lock();
        let after = page.after.unwrap_or(0);
        let first = state.audit.partition_point(|record| record.sequence <= after);
        let shown = state.audit[first..].iter().filter(|record| passes(record, filter));
        Ok(shown.take(page_size(&page)).cloned().collect())
    }

    async fn latest_audit(
        &self,
        filter: &AuditFilter,
        page: Page<i64>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let shown = |record: &&AuditRecord| {
            page.after.is_none_or(|before| record.sequence < before) && passes(record, filter)
        };
        let state = self.lock();
        Ok(state.audit.iter().rev().filter(shown).take(page_size(&page)).cloned().collect())
    }
}

fn passes(record: &AuditRecord, filter: &AuditFilter) -> bool {
    let is = |wanted: &Option<String>, found: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted.is_empty() || wanted == found)
    };
    is(&filter.actor, &record.actor)
        && is(&filter.action, &record.action)
        && filter.target_contains.as_deref().is_none_or(|part| record.target.contains(part))
        && filter.since.is_none_or(|since| record.at >= since.as_micros())
}

impl Held {
    fn passes(&self, filter: &AccountFilter) -> bool {
        let account = &self.account;
        filter.group.as_ref().is_none_or(|group| account.groups.contains(group))
            && filter
                .name_contains
                .as_deref()
                .is_none_or(|part| account.name.as_str().contains(part))
            && filter.condition.is_none_or(|condition| match condition {
                AccountCondition::Disabled => account.disabled,
                AccountCondition::UnusedSince(instant) => {
                    account.last_used_at.unwrap_or(account.created_at) < instant
                }
                AccountCondition::KeyExpires(after, until) => self.keys.iter().any(|key| {
                    key.revoked_at.is_none()
                        && key.expires_at.is_some_and(|expiry| after < expiry && expiry <= until)
                }),
            })
    }
}

impl State {
    /// Changes a key, unless it is the last one by which someone can
    /// administrate and would no longer be usable.
    fn change_key(
        &mut self,
        act: &Act,
        action: &'static str,
        (account, fingerprint): (&AccountName, &str),
        change: impl FnOnce(&mut PublicKeyRecord) -> Result<(), StoreError>,
    ) -> Result<Option<PublicKeyRecord>, StoreError> {
        let Some(held) = self.accounts.get(account) else { return Ok(None) };
        let Some(place) = held.place(fingerprint) else { return Ok(None) };
        let before = held.keys[place].clone();
        let mut after = before.clone();
        change(&mut after)?;
        // An expiry is judged as of the instant at which it takes effect.
        let judged_at = match after.expires_at {
            Some(expiry) if after.revoked_at.is_none() => expiry.max(act.at),
            _ => act.at,
        };
        if !super::is_usable(&after, judged_at) && !self.can_spare_key(account, place, judged_at) {
            return Err(StoreError::LastAdmin);
        }
        if let Some(held) = self.accounts.get_mut(account) {
            held.keys[place] = after.clone();
        }
        self.record(act, Entry::key(action, account.as_str(), Some(&before), &after));
        Ok(Some(after))
    }
}

impl Held {
    /// Adds an endpoint.
    pub(super) fn trust(&mut self, act: &Act, url: &str) -> JwksEndpoint {
        let (account, url) = (self.account.id, url.to_owned());
        let endpoint = JwksEndpoint { account, url, created_at: act.at, status: None };
        self.endpoints.push(endpoint.clone());
        endpoint
    }

    /// Adds a key, or finds it: the key before, if it was there, and now.
    pub(super) fn add_key(
        &mut self,
        act: &Act,
        new: NewPublicKey,
    ) -> Result<(Option<PublicKeyRecord>, PublicKeyRecord), StoreError> {
        if let Some(existing) = self.keys.iter().find(|existing| existing.key == new.key) {
            return match existing.revoked_at {
                Some(_) => Err(StoreError::KeyRevoked),
                None => Ok((Some(existing.clone()), existing.clone())),
            };
        }
        let record = PublicKeyRecord {
            account: self.account.id,
            key: new.key,
            comment: new.comment,
            created_at: act.at,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
            last_used_from: None,
        };
        self.keys.push(record.clone());
        Ok((None, record))
    }
}

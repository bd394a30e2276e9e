//! The registry of accounts in memory: for tests, and for services that fill it
//! themselves at every start.

mod administration;
mod api_keys;
mod import;
mod refresh_tokens;
mod registry;
mod signing_keys;
mod visits;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::ports::{
    Account, Act, ApiKeyRecord, AuditRecord, JwksEndpoint, NewAccount, PublicKeyRecord,
    RefreshTokenRecord, SigningKeyRecord, Visit, VisitKind,
};
use countersign_core::{
    ADMIN_GROUP, AccountId, AccountName, GroupName, Sealed, SecretHash, UnixTime,
};
use uuid::Uuid;

use crate::audit::Entry;

/// Accounts, credentials, tokens and the audit trail in plain maps under one lock.
///
/// It behaves as `SqlStore` does, but for surviving the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    accounts: BTreeMap<AccountName, Held>,
    names: HashMap<AccountId, AccountName>,
    audit: Vec<AuditRecord>,
    instance: Option<Uuid>,
    revoked_tokens: HashMap<Uuid, UnixTime>,
    refresh_tokens: HashMap<SecretHash, RefreshTokenRecord>,
    signing_keys: Vec<SigningKeyRecord>,
    secrets: HashMap<String, Sealed>,
    visits: HashMap<(VisitKind, SecretHash), Visit>,
}

/// An account with what belongs to it.
#[derive(Clone, Debug)]
struct Held {
    account: Account,
    keys: Vec<PublicKeyRecord>,
    endpoints: Vec<JwksEndpoint>,
    api_keys: Vec<ApiKeyRecord>,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock can only have come before the first change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds an account unless its name or id is taken.
    fn insert(&mut self, act: &Act, new: NewAccount) -> Option<&mut Held> {
        if self.accounts.contains_key(&new.name) || self.names.contains_key(&new.id) {
            return None;
        }
        self.names.insert(new.id, new.name.clone());
        let account = Account {
            id: new.id,
            name: new.name.clone(),
            groups: sorted(new.groups),
            disabled: false,
            created_at: act.at,
            registered: false,
            tokens_revoked_at: None,
            last_used_at: None,
            last_used_from: None,
        };
        let held = Held { account, keys: Vec::new(), endpoints: Vec::new(), api_keys: Vec::new() };
        Some(self.accounts.entry(new.name).or_insert(held))
    }

    fn record(&mut self, act: &Act, entry: Entry) {
        let sequence = self.audit.last().map_or(1, |last| last.sequence + 1);
        self.audit.push(entry.into_record(sequence, act));
    }

    /// Whether the account of that name may stop being able to administrate.
    fn can_spare(&self, name: &AccountName, now: UnixTime) -> bool {
        let can = |held: &Held| held.can_administrate(now);
        !self.accounts.get(name).is_some_and(can)
            || self.accounts.values().any(|held| held.account.name != *name && can(held))
    }

    /// Whether a key of that account may stop being usable.
    fn can_spare_key(&self, name: &AccountName, key: usize, now: UnixTime) -> bool {
        let Some(mut held) = self.accounts.get(name).cloned() else { return true };
        if !is_usable(&held.keys[key], now) {
            return true;
        }
        held.keys.remove(key);
        held.can_administrate(now) || self.can_spare(name, now)
    }
}

impl Held {
    fn can_administrate(&self, now: UnixTime) -> bool {
        !self.account.disabled
            && self.account.groups.iter().any(|group| group.as_str() == ADMIN_GROUP)
            && self.keys.iter().any(|key| is_usable(key, now))
    }

    /// The place of the key that a fingerprint names.
    fn place(&self, fingerprint: &str) -> Option<usize> {
        self.keys.iter().position(|key| key.key.fingerprints().matches(fingerprint))
    }

    fn endpoints(&self) -> Vec<JwksEndpoint> {
        self.endpoints.clone()
    }
}

fn is_usable(key: &PublicKeyRecord, now: UnixTime) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|expiry| expiry > now)
}

fn sorted(mut groups: Vec<GroupName>) -> Vec<GroupName> {
    groups.sort_unstable();
    groups.dedup();
    groups
}

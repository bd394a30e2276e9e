//! The latest use of each key that is not in the store yet.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::ports::{Account, LastUse, PublicKeyRecord};
use countersign_core::{AccountId, Fingerprints, UnixTime};

use crate::registry::KeyUse;

/// Uses of keys, at most one of each key, so that their number is bounded by
/// that of the keys.
#[derive(Default)]
pub(super) struct PendingUses(Mutex<State>);

#[derive(Default)]
struct State {
    uses: BTreeMap<AccountId, Vec<Use>>,
    /// The account up to which uses were written down; the next batch begins
    /// behind it, so that every account gets its turn.
    written_up_to: Option<AccountId>,
}

#[derive(Clone, Copy)]
struct Use {
    key: Fingerprints,
    at: UnixTime,
    from: Option<IpAddr>,
}

impl PendingUses {
    /// Takes note of a use.
    pub(super) fn note(&self, used: &LastUse) {
        let now = Use { key: used.key, at: used.at, from: used.from };
        let mut state = self.lock();
        let of_account = state.uses.entry(used.id).or_default();
        match of_account.iter_mut().find(|known| known.key == now.key) {
            Some(known) if known.at <= now.at => *known = now,
            Some(_) => {}
            // Most accounts sign with one key; a doubling vector would waste
            // three quarters of its space on them.
            None => {
                of_account.reserve_exact(1);
                of_account.push(now);
            }
        }
    }

    /// Uses of about `limit` keys to be written down next. They stay here until
    /// they are [settled](Self::settle).
    pub(super) fn batch(&self, limit: usize) -> Vec<KeyUse> {
        let mut state = self.lock();
        let behind = state.written_up_to.map_or(Bound::Unbounded, Bound::Excluded);
        let mut batch = Vec::new();
        let mut last = None;
        for (account, uses) in state.uses.range((behind, Bound::Unbounded)) {
            if batch.len() >= limit {
                break;
            }
            last = Some(*account);
            batch.extend(uses.iter().map(|used| KeyUse {
                account: *account,
                key: used.key,
                at: used.at,
                from: used.from,
            }));
        }
        // At the end of the round, the next one begins at the first account.
        state.written_up_to = if batch.len() >= limit { last } else { None };
        batch
    }

    /// Forgets uses that were written down, unless there was a later one since.
    pub(super) fn settle(&self, written: &[KeyUse]) {
        let mut state = self.lock();
        for done in written {
            let Some(uses) = state.uses.get_mut(&done.account) else { continue };
            uses.retain(|used| used.key != done.key || used.at != done.at);
            if uses.is_empty() {
                state.uses.remove(&done.account);
            }
        }
    }

    /// Whether everything has been written down.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().uses.is_empty()
    }

    /// Shows uses that the store does not know yet in accounts it returned.
    pub(super) fn overlay_accounts<'a>(&self, accounts: impl IntoIterator<Item = &'a mut Account>) {
        let state = self.lock();
        for account in accounts {
            let uses = state.uses.get(&account.id).into_iter().flatten();
            if let Some(used) = uses.max_by_key(|used| used.at)
                && account.last_used_at.is_none_or(|known| known < used.at)
            {
                account.last_used_at = Some(used.at);
                account.last_used_from = used.from;
            }
        }
    }

    /// The same for keys.
    pub(super) fn overlay_keys<'a>(&self, keys: impl IntoIterator<Item = &'a mut PublicKeyRecord>) {
        let state = self.lock();
        for key in keys {
            let mut uses = state.uses.get(&key.account).into_iter().flatten();
            if let Some(used) = uses.find(|used| used.key == *key.key.fingerprints())
                && key.last_used_at.is_none_or(|known| known < used.at)
            {
                key.last_used_at = Some(used.at);
                key.last_used_from = used.from;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic could leave behind is a use too many or too few.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

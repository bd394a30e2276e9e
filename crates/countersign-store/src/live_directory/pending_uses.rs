//! The latest use of each key that is not in the store yet.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::ports::{Account, LastUse, PublicKeyRecord};
use countersign_core::{AccountId, PublicKey, UnixTime};
use hashbrown::HashTable;

use crate::registry::KeyUse;

/// Into how many parts the uses are divided. With a million accounts a part
/// holds a thousand, about what is written down at once, and grows by little.
const SHARDS: usize = 1024;

/// Uses of keys, at most one of each key, so that their number is bounded by
/// that of the keys.
///
/// Taking note of a use is on the way of every request: it costs one lock of
/// 1024 and the touch of one entry, which holds the whole use of an account that
/// signs with one key, as most do.
pub(super) struct PendingUses {
    hasher: RandomState,
    shards: Box<[Mutex<HashTable<Uses>>]>,
    /// The shard that the next batch begins with. Batches go round, so that every
    /// account gets its turn.
    turn: AtomicUsize,
}

/// What is pending of one account; never empty.
struct Uses {
    account: AccountId,
    first: Use,
    /// Of its other keys.
    others: Vec<Use>,
}

struct Use {
    key: PublicKey,
    at: UnixTime,
    from: Option<IpAddr>,
}

impl Default for PendingUses {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            turn: AtomicUsize::new(0),
        }
    }
}

impl PendingUses {
    /// Takes note of a use.
    pub(super) fn note(&self, used: LastUse) {
        let LastUse { id: account, key, at, from, .. } = used;
        let now = Use { key, at, from };
        let hash = self.hash(account);
        let mut shard = self.shard(hash);
        if let Some(uses) = shard.find_mut(hash, |uses| uses.account == account) {
            uses.note(now);
        } else {
            let new = Uses { account, first: now, others: Vec::new() };
            shard.insert_unique(hash, new, |held| self.hash(held.account));
        }
    }

    /// Uses of at most `limit` keys to be written down next. They stay here until
    /// they are [settled](Self::settle).
    pub(super) fn batch(&self, limit: usize) -> Vec<KeyUse> {
        let mut batch = Vec::new();
        for _ in 0..SHARDS {
            let turn = self.turn.load(Ordering::Relaxed);
            let shard = lock(&self.shards[turn]);
            let mut pending = shard.iter().flat_map(Uses::as_key_uses);
            batch.extend(pending.by_ref().take(limit - batch.len()));
            if pending.next().is_some() {
                break;
            }
            self.turn.store((turn + 1) % SHARDS, Ordering::Relaxed);
        }
        batch
    }

    /// Forgets uses that were written down, unless there was a later one since.
    pub(super) fn settle(&self, written: &[KeyUse]) {
        for done in written {
            let hash = self.hash(done.account);
            let mut shard = self.shard(hash);
            let Ok(mut entry) = shard.find_entry(hash, |uses| uses.account == done.account) else {
                continue;
            };
            let is_done = |used: &Use| *used.key.fingerprints() == done.key && used.at == done.at;
            let uses = entry.get_mut();
            uses.others.retain(|used| !is_done(used));
            if is_done(&uses.first) {
                match uses.others.pop() {
                    Some(other) => uses.first = other,
                    None => drop(entry.remove()),
                }
            }
        }
    }

    /// Whether everything has been written down.
    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).is_empty())
    }

    /// Shows uses that the store does not know yet in accounts it returned.
    pub(super) fn overlay_accounts<'a>(&self, accounts: impl IntoIterator<Item = &'a mut Account>) {
        for account in accounts {
            self.with_uses_of(account.id, |uses| {
                if let Some(used) = uses.iter().max_by_key(|used| used.at)
                    && account.last_used_at.is_none_or(|known| known < used.at)
                {
                    account.last_used_at = Some(used.at);
                    account.last_used_from = used.from;
                }
            });
        }
    }

    /// The same for keys.
    pub(super) fn overlay_keys<'a>(&self, keys: impl IntoIterator<Item = &'a mut PublicKeyRecord>) {
        for key in keys {
            self.with_uses_of(key.account, |uses| {
                if let Some(used) = uses.iter().find(|used| used.key == key.key)
                    && key.last_used_at.is_none_or(|known| known < used.at)
                {
                    key.last_used_at = Some(used.at);
                    key.last_used_from = used.from;
                }
            });
        }
    }

    fn with_uses_of(&self, account: AccountId, look: impl FnOnce(&Uses)) {
        let hash = self.hash(account);
        if let Some(uses) = self.shard(hash).find(hash, |uses| uses.account == account) {
            look(uses);
        }
    }

    /// Keyed, because an account's id may be chosen by who creates it.
    fn hash(&self, account: AccountId) -> u64 {
        self.hasher.hash_one(account)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, HashTable<Uses>> {
        // A table goes by the lowest and the seven highest bits of a hash; these
        // lie between.
        lock(&self.shards[(hash >> 40) as usize % SHARDS])
    }
}

impl Uses {
    fn note(&mut self, now: Use) {
        let known = std::iter::once(&mut self.first).chain(&mut self.others);
        match known.into_iter().find(|known| known.key == now.key) {
            Some(known) if known.at <= now.at => *known = now,
            Some(_) => {}
            None => self.others.push(now),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Use> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn as_key_uses(&self) -> impl Iterator<Item = KeyUse> {
        self.iter().map(|used| KeyUse {
            account: self.account,
            key: *used.key.fingerprints(),
            at: used.at,
            from: used.from,
        })
    }
}

fn lock(shard: &Mutex<HashTable<Uses>>) -> MutexGuard<'_, HashTable<Uses>> {
    // What a panic could leave behind is a use too many or too few.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

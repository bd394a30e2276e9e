//! The latest use of each credential that is not in the store yet.

use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::ports::{Account, ApiKeyRecord, Credential, LastUse, PublicKeyRecord};
use countersign_core::{AccountId, PublicKey, UnixTime};
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::registry::{CredentialUse, UsedCredential};

/// How many uses gather before they are sorted in.
const GATHERED: usize = 256;
/// Into how many parts the uses are divided. With a million accounts a part
/// holds a thousand, about what is written down at once, and grows by little.
const SHARDS: usize = 1024;

/// Uses of credentials, at most one of each, so that their number is bounded by
/// that of the credentials.
///
/// Taking note of a use is on the way of every request, so it only adds to a
/// list. Sorting in many at once costs a fraction of sorting in each when it
/// comes: the code is warm by then, and the processor looks for several entries
/// at a time. Whoever asks for uses sorts in first.
pub(super) struct PendingUses {
    gathered: Mutex<Vec<LastUse>>,
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
    /// Of its other credentials.
    others: Vec<Use>,
}

struct Use {
    credential: Credential,
    at: UnixTime,
    from: Option<IpAddr>,
}

impl Default for PendingUses {
    fn default() -> Self {
        Self {
            gathered: Mutex::default(),
            hasher: RandomState::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            turn: AtomicUsize::new(0),
        }
    }
}

impl PendingUses {
    /// Takes note of a use. Access tokens are not kept, so nothing is noted of theirs.
    pub(super) fn note(&self, used: LastUse) {
        if matches!(used.credential, Credential::AccessToken(_)) {
            return;
        }
        let mut gathered = lock(&self.gathered);
        gathered.push(used);
        if gathered.len() >= GATHERED {
            self.sort_in_all(&mut gathered);
        }
    }

    /// Sorts in what has gathered, so that the shards know every use.
    fn sort_in_gathered(&self) {
        self.sort_in_all(&mut lock(&self.gathered));
    }

    /// The list stays locked meanwhile: nobody may miss the uses on their way.
    fn sort_in_all(&self, gathered: &mut Vec<LastUse>) {
        gathered.drain(..).for_each(|used| self.sort_in(used));
    }

    fn sort_in(&self, used: LastUse) {
        let LastUse { id: account, credential, at, from, .. } = used;
        let now = Use { credential, at, from };
        let hash = self.hash(account);
        let mut shard = self.shard(hash);
        if let Some(uses) = shard.find_mut(hash, |uses| uses.account == account) {
            uses.note(now);
        } else {
            let new = Uses { account, first: now, others: Vec::new() };
            shard.insert_unique(hash, new, |held| self.hash(held.account));
        }
    }

    /// Uses of at most `limit` credentials to be written down next. They stay here until
    /// they are [settled](Self::settle).
    pub(super) fn batch(&self, limit: usize) -> Vec<CredentialUse> {
        self.sort_in_gathered();
        let mut batch = Vec::new();
        for _ in 0..SHARDS {
            let turn = self.turn.load(Ordering::Relaxed);
            let shard = lock(&self.shards[turn]);
            let mut pending = shard.iter().flat_map(Uses::as_credential_uses);
            batch.extend(pending.by_ref().take(limit - batch.len()));
            if pending.next().is_some() {
                break;
            }
            self.turn.store((turn + 1) % SHARDS, Ordering::Relaxed);
        }
        batch
    }

    /// Forgets uses that were written down, unless there was a later one since.
    pub(super) fn settle(&self, written: &[CredentialUse]) {
        for done in written {
            let hash = self.hash(done.account);
            let mut shard = self.shard(hash);
            let Ok(mut entry) = shard.find_entry(hash, |uses| uses.account == done.account) else {
                continue;
            };
            let is_done = |used: &Use| used.is_of(&done.credential) && used.at == done.at;
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
        self.sort_in_gathered();
        self.shards.iter().all(|shard| lock(shard).is_empty())
    }

    /// Shows uses that the store does not know yet in accounts it returned.
    pub(super) fn overlay_accounts<'a>(&self, accounts: impl IntoIterator<Item = &'a mut Account>) {
        self.sort_in_gathered();
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
        self.sort_in_gathered();
        for key in keys {
            self.with_uses_of(key.account, |uses| {
                if let Some(used) = uses.iter().find(|used| used.is_of_key(&key.key))
                    && key.last_used_at.is_none_or(|known| known < used.at)
                {
                    key.last_used_at = Some(used.at);
                    key.last_used_from = used.from;
                }
            });
        }
    }

    /// The same for API keys.
    pub(super) fn overlay_api_keys<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a mut ApiKeyRecord>,
    ) {
        self.sort_in_gathered();
        for key in keys {
            self.with_uses_of(key.account, |uses| {
                let credential = Credential::ApiKey(key.id);
                if let Some(used) = uses.iter().find(|used| used.credential == credential)
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

    /// A fast hash will do: the ids are those of accounts that exist.
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
        let mut known = std::iter::once(&mut self.first).chain(&mut self.others);
        match known.find(|known| known.credential == now.credential) {
            Some(known) if known.at <= now.at => *known = now,
            Some(_) => {}
            None => self.others.push(now),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Use> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn as_credential_uses(&self) -> impl Iterator<Item = CredentialUse> {
        self.iter().filter_map(|used| {
            let credential = match &used.credential {
                Credential::PublicKey(key) => UsedCredential::PublicKey(*key.fingerprints()),
                Credential::ApiKey(id) => UsedCredential::ApiKey(*id),
                Credential::AccessToken(_) => return None,
            };
            Some(CredentialUse { account: self.account, credential, at: used.at, from: used.from })
        })
    }
}

impl Use {
    fn is_of(&self, credential: &UsedCredential) -> bool {
        match (&self.credential, credential) {
            (Credential::PublicKey(key), UsedCredential::PublicKey(other)) => {
                key.fingerprints() == other
            }
            (Credential::ApiKey(id), UsedCredential::ApiKey(other)) => id == other,
            _ => false,
        }
    }

    fn is_of_key(&self, key: &PublicKey) -> bool {
        matches!(&self.credential, Credential::PublicKey(own) if own == key)
    }
}

fn lock<T>(uses: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic could leave behind is some uses too few.
    uses.lock().unwrap_or_else(PoisonError::into_inner)
}

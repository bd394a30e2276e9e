//! The maps to accounts, and what they may be trusted for.

use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use countersign_core::ports::{AccountKeys, RegisteredApiKey};
use countersign_core::{AccountId, AccountName, SecretHash};
use foldhash::fast::RandomState;

use super::trust::Trust;

/// What is known about a name.
enum Entry {
    /// There is this account.
    Known(Arc<AccountKeys>),
    /// The store knows better. What was known before, so that nothing stays behind
    /// of it.
    InDoubt(Option<Arc<AccountKeys>>),
    /// There is no such account, whatever the filling may bring. Only while
    /// the map is being filled; afterwards, no entry says the same.
    Gone,
}

/// The entries, as one user sees them.
type Pinned<'m> = papaya::HashMapRef<'m, AccountName, Entry, RandomState, papaya::LocalGuard<'m>>;

/// The answer to a lookup.
pub(super) enum Answer {
    /// This account.
    Known(Arc<AccountKeys>),
    /// There is no such account.
    Absent,
    /// The map cannot say.
    AskTheStore,
}

/// All accounts by name, and the names by id and by API key. Lookups take no lock.
///
/// Strangers look names up, but only administrators put names in, so a fast hash
/// with a random seed will do: there is nobody to search for collisions. The hashes
/// of API keys nobody can choose.
pub(super) struct AccountMap {
    /// Whether the store is only changed through this map, or how long ago it was seen
    /// that nobody else has.
    trust: Trust,
    entries: papaya::HashMap<AccountName, Entry, RandomState>,
    by_id: papaya::HashMap<AccountId, AccountName, RandomState>,
    by_api_key: papaya::HashMap<SecretHash, AccountName, RandomState>,
    complete: AtomicBool,
    /// How many entries are in doubt.
    in_doubt: AtomicUsize,
    /// How many changes there were.
    changes: AtomicU64,
}

impl AccountMap {
    /// An empty map that is believed as far as this.
    pub(super) fn trusted(trust: Trust) -> Self {
        Self {
            trust,
            entries: papaya::HashMap::default(),
            by_id: papaya::HashMap::default(),
            by_api_key: papaya::HashMap::default(),
            complete: AtomicBool::default(),
            in_doubt: AtomicUsize::default(),
            changes: AtomicU64::default(),
        }
    }

    /// What the map says about a name.
    pub(super) fn find(&self, name: &AccountName) -> Answer {
        if !self.can_say() {
            return Answer::AskTheStore;
        }
        match self.entries.pin().get(name) {
            Some(Entry::Known(account)) => Answer::Known(Arc::clone(account)),
            Some(Entry::Gone) | None if self.is_complete() => Answer::Absent,
            // In doubt, or emptied meanwhile, to be filled again.
            Some(Entry::InDoubt(_) | Entry::Gone) | None => Answer::AskTheStore,
        }
    }

    /// What the map says about an id.
    pub(super) fn find_by_id(&self, id: AccountId) -> Answer {
        let name = self.by_id.pin().get(&id).cloned();
        self.find_behind(name)
    }

    /// Whether an account with that id was put in.
    pub(super) fn has_id(&self, id: AccountId) -> bool {
        self.by_id.pin().contains_key(&id)
    }

    /// What the map says about an API key.
    pub(super) fn find_by_api_key(&self, hash: &SecretHash) -> Answer {
        let name = self.by_api_key.pin().get(hash).cloned();
        self.find_behind(name)
    }

    /// An account may have lost the id or the key between the two steps; whoever asked
    /// looks for it in the account. One in doubt may have an id or a key that nobody has
    /// put in yet.
    fn find_behind(&self, name: Option<AccountName>) -> Answer {
        match name {
            Some(name) => self.find(&name),
            None if self.can_say() && self.in_doubt() == 0 => Answer::Absent,
            None => Answer::AskTheStore,
        }
    }

    /// How many accounts there are, give or take those being changed.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The first accounts by name that are like this, as far as is known.
    pub(super) fn first_names(
        &self,
        limit: usize,
        are: impl Fn(&AccountKeys) -> bool,
    ) -> Vec<AccountName> {
        let entries = self.entries.pin();
        // The last of them on top. Nearly all accounts of a large directory may be like this.
        let mut first = BinaryHeap::new();
        for (name, entry) in &entries {
            let has_room = first.len() < limit;
            let is_before = || first.peek().is_some_and(|last| name < *last);
            if (has_room || is_before()) && entry.former().is_some_and(|account| are(account)) {
                first.push(name);
                if !has_room {
                    first.pop();
                }
            }
        }
        first.into_sorted_vec().into_iter().cloned().collect()
    }

    /// Whether all accounts have been filled in.
    fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Whether what is not in doubt may be believed.
    pub(super) fn can_say(&self) -> bool {
        self.trust.holds() && self.is_complete()
    }

    /// How far the map is believed.
    pub(super) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// A number that changes with the answers; `None` while some of them are the store's.
    pub(super) fn version(&self) -> Option<u64> {
        let is_sure = self.can_say() && self.in_doubt() == 0;
        is_sure.then(|| self.changes.load(Ordering::SeqCst))
    }

    /// How many names the store is asked about.
    pub(super) fn in_doubt(&self) -> usize {
        self.in_doubt.load(Ordering::SeqCst)
    }

    /// Forgets everything, to be filled again. No change may be under way.
    pub(super) fn clear(&self) {
        self.complete.store(false, Ordering::Release);
        self.entries.pin().clear();
        self.by_id.pin().clear();
        self.by_api_key.pin().clear();
        self.in_doubt.store(0, Ordering::SeqCst);
        self.count_change();
    }

    /// Something has changed beside the accounts that answers depend on.
    pub(super) fn count_change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes what the filling has read, unless a change has put something there.
    pub(super) fn fill(&self, account: &Arc<AccountKeys>) {
        let entry = Entry::Known(Arc::clone(account));
        if self.entries.pin().try_insert(account.name.clone(), entry).is_ok() {
            self.index(account);
        }
    }

    /// All accounts have been filled in. No change may be under way.
    pub(super) fn complete(&self) {
        self.entries.pin().retain(|_, entry| !matches!(entry, Entry::Gone));
        self.complete.store(true, Ordering::Release);
    }

    /// From now on the store is asked about this name.
    pub(super) fn doubt(&self, name: AccountName) {
        let entries = self.entries.pin();
        let former = entries.get(&name).and_then(Entry::former).cloned();
        self.replace(&entries, name, Entry::InDoubt(former));
    }

    /// This is the account of that name now.
    pub(super) fn put(&self, name: AccountName, account: &Arc<AccountKeys>) {
        self.index(account);
        let entries = self.entries.pin();
        let former = self.replace(&entries, name, Entry::Known(Arc::clone(account)));
        if let Some(former) = former.and_then(Entry::former) {
            self.unindex(former, Some(account));
        }
    }

    /// There is no account of that name now.
    pub(super) fn remove(&self, name: &AccountName) {
        let entries = self.entries.pin();
        let former = self.replace(&entries, name.clone(), Entry::Gone);
        if let Some(former) = former.and_then(Entry::former) {
            self.unindex(former, None);
        }
        if self.is_complete() {
            entries.remove(name);
        }
    }

    /// Changes an entry, and counts; what it was before.
    fn replace<'e>(
        &self,
        entries: &'e Pinned<'_>,
        name: AccountName,
        entry: Entry,
    ) -> Option<&'e Entry> {
        let is_in_doubt = matches!(entry, Entry::InDoubt(_));
        // Before the store may change, and after the map has.
        if is_in_doubt {
            self.in_doubt.fetch_add(1, Ordering::SeqCst);
        }
        let former = entries.insert(name, entry);
        self.count_change();
        if matches!(former, Some(Entry::InDoubt(_))) {
            self.in_doubt.fetch_sub(1, Ordering::SeqCst);
        }
        former
    }

    fn index(&self, account: &AccountKeys) {
        self.by_id.pin().insert(account.id, account.name.clone());
        let by_api_key = self.by_api_key.pin();
        for key in &account.api_keys {
            by_api_key.insert(key.hash, account.name.clone());
        }
    }

    /// Forgets where to find what an account no longer has.
    fn unindex(&self, former: &AccountKeys, now: Option<&AccountKeys>) {
        // Another account may have got the id or the key meanwhile.
        if now.is_none_or(|now| now.id != former.id) {
            let _ = self.by_id.pin().remove_if(&former.id, |_, name| *name == former.name);
        }
        let is_left = |key: &RegisteredApiKey| {
            now.is_some_and(|now| now.api_keys.iter().any(|left| left.hash == key.hash))
        };
        let by_api_key = self.by_api_key.pin();
        for key in former.api_keys.iter().filter(|key| !is_left(key)) {
            let _ = by_api_key.remove_if(&key.hash, |_, name| *name == former.name);
        }
    }
}

impl Entry {
    /// The account that is, or last was, known under the name.
    fn former(&self) -> Option<&Arc<AccountKeys>> {
        match self {
            Self::Known(account) => Some(account),
            Self::InDoubt(former) => former.as_ref(),
            Self::Gone => None,
        }
    }
}

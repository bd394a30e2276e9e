//! The map from names to accounts, and what it may be trusted for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_core::AccountName;
use countersign_core::ports::AccountKeys;
use foldhash::fast::RandomState;

/// What is known about a name.
#[derive(Clone)]
enum Entry {
    /// There is this account.
    Known(Arc<AccountKeys>),
    /// The store knows better.
    InDoubt,
    /// There is no such account, whatever the filling may bring. Only while
    /// the map is being filled; afterwards, no entry says the same.
    Gone,
}

/// The answer to a lookup.
pub(super) enum Answer {
    /// This account.
    Known(Arc<AccountKeys>),
    /// There is no such account.
    Absent,
    /// The map cannot say.
    AskTheStore,
}

/// All accounts by name. Lookups take no lock.
///
/// Strangers look names up, but only administrators put names in, so a fast hash
/// with a random seed will do: there is nobody to search for collisions.
#[derive(Default)]
pub(super) struct AccountMap {
    entries: papaya::HashMap<AccountName, Entry, RandomState>,
    complete: AtomicBool,
}

impl AccountMap {
    /// What the map says about a name.
    pub(super) fn find(&self, name: &AccountName) -> Answer {
        if !self.complete.load(Ordering::Acquire) {
            return Answer::AskTheStore;
        }
        match self.entries.pin().get(name) {
            Some(Entry::Known(account)) => Answer::Known(Arc::clone(account)),
            Some(Entry::InDoubt) => Answer::AskTheStore,
            Some(Entry::Gone) | None => Answer::Absent,
        }
    }

    /// Takes what the filling has read, unless a change has put something there.
    pub(super) fn fill(&self, account: Arc<AccountKeys>) {
        let _ = self.entries.pin().try_insert(account.name.clone(), Entry::Known(account));
    }

    /// All accounts have been filled in. No change may be under way.
    pub(super) fn complete(&self) {
        self.entries.pin().retain(|_, entry| !matches!(entry, Entry::Gone));
        self.complete.store(true, Ordering::Release);
    }

    /// From now on the store is asked about this name.
    pub(super) fn doubt(&self, name: AccountName) {
        self.entries.pin().insert(name, Entry::InDoubt);
    }

    /// This is the account of that name now.
    pub(super) fn put(&self, name: AccountName, account: Arc<AccountKeys>) {
        self.entries.pin().insert(name, Entry::Known(account));
    }

    /// There is no account of that name now.
    pub(super) fn remove(&self, name: AccountName) {
        if self.complete.load(Ordering::Acquire) {
            self.entries.pin().remove(&name);
        } else {
            self.entries.pin().insert(name, Entry::Gone);
        }
    }
}

//! Small real implementations of the ports, with switches for outages.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_core::ports::{
    AccountKeys, Directory, DirectoryError, GuardError, LastUse, PublicKeyRecord, RegisteredKey,
    ReplayGuard, ReplayKey, Spend,
};
use countersign_core::{AccountName, Clock, Random, UnixTime};
use countersign_store::{MemoryStore, RegistryStore as _, StoredAccount};
use tokio::sync::Semaphore;

/// A clock that stands still until it is moved.
pub(crate) struct TestClock(AtomicI64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_800_000_000_000_000))
    }
}

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_micros(self.0.load(SeqCst))
    }
}

/// Counts: never the same bytes twice.
#[derive(Default)]
pub(crate) struct TestRandom(AtomicU64);

impl Random for TestRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, SeqCst).to_be_bytes();
        for (byte, digit) in bytes.iter_mut().zip(number.iter().cycle()) {
            *byte = *digit;
        }
    }
}

/// Accounts straight from a store: what an administrator did holds at once.
pub(crate) struct TestDirectory {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) uses: Mutex<Vec<LastUse>>,
    pub(crate) is_down: AtomicBool,
    pub(crate) panics: AtomicBool,
    /// Every lookup takes one permit and gives it back; with none it waits.
    pub(crate) gate: Semaphore,
}

impl Default for TestDirectory {
    fn default() -> Self {
        Self {
            store: Arc::default(),
            uses: Mutex::default(),
            is_down: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            gate: Semaphore::new(1000),
        }
    }
}

#[async_trait]
impl Directory for TestDirectory {
    async fn find(&self, name: &AccountName) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        let _permit = self.gate.acquire().await.unwrap();
        assert!(!self.panics.load(SeqCst), "the directory panics");
        if self.is_down.load(SeqCst) {
            return Err(DirectoryError("connection refused".into()));
        }
        let stored = self.store.load(name).await.map_err(|e| DirectoryError(e.to_string()))?;
        Ok(stored.map(|stored| Arc::new(account_keys(stored))))
    }

    fn used(&self, last_use: LastUse) {
        self.uses.lock().unwrap().push(last_use);
    }
}

fn account_keys(stored: StoredAccount) -> AccountKeys {
    let key = |record: PublicKeyRecord| RegisteredKey {
        key: record.key,
        kid: None,
        algorithm: None,
        expires_at: record.expires_at,
        revoked: record.revoked_at.is_some(),
    };
    AccountKeys {
        id: stored.account.id,
        name: stored.account.name,
        groups: stored.account.groups.into(),
        disabled: stored.account.disabled,
        keys: stored.keys.into_iter().map(key).collect(),
        api_keys: Vec::new(),
        tokens_revoked_at: None,
    }
}

/// Spent uses in a set; nothing is ever forgotten.
#[derive(Default)]
pub(crate) struct TestGuard {
    spent: Mutex<HashSet<ReplayKey>>,
    pub(crate) is_full: AtomicBool,
}

#[async_trait]
impl ReplayGuard for TestGuard {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        if self.is_full.load(SeqCst) {
            return Err(GuardError::Full);
        }
        let fresh = self.spent.lock().unwrap().insert(spend.key);
        if fresh { Ok(()) } else { Err(GuardError::Replayed) }
    }

    fn live_uses(&self) -> Option<usize> {
        Some(self.spent.lock().unwrap().len())
    }
}

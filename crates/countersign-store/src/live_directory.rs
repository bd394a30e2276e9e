//! All accounts and their keys in memory, in front of a store: what a server
//! authenticates against.
//!
//! Either one program makes every change through here, so that what the map says is so,
//! or several share the store, and each [follows](Following) what the others do. Three
//! rules keep the map true, and for shared ones those of `following`:
//!
//! 1. While the map is being filled, every lookup asks the store, so that the
//!    work does not depend on whether an account exists.
//! 2. An account that is being changed is *in doubt* from before the change
//!    until the map has been brought up to date behind it; lookups of an account
//!    in doubt ask the store. A change runs in a task of its own, to the end,
//!    even if its caller goes away.
//! 3. The filling never replaces what a change has put there.

mod account_map;
mod administration;
mod api_keys;
mod background;
mod following;
mod pending_uses;
mod trust;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{
    AccountKeys, Directory, DirectoryError, JwksEndpoint, LastUse, RegisteredApiKey, RegisteredKey,
    StoreError, TokenDirectory,
};
use countersign_core::{AccountId, AccountName, SecretHash, UnixTime};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::endpoint_keys::{EndpointKeys, merge_keys};
use crate::registry::{RegistryStore, StoredAccount};
use account_map::{AccountMap, Answer};
pub use following::{Following, OutOfTouch, SharedTrail};
use pending_uses::PendingUses;
use trust::Trust;

/// How far a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Accounts are being read; lookups ask the store.
    Loading,
    /// All accounts are in memory.
    Complete,
}

/// A complete directory in memory in front of a [`RegistryStore`].
///
/// It is the [`TokenDirectory`] of the public listener and the
/// [`AdminStore`](countersign_core::ports::AdminStore) of the internal one: when
/// a change returns, the next lookup sees it. Clones share everything.
#[derive(Clone)]
pub struct LiveDirectory(Arc<Inner>);

struct Inner {
    store: Arc<dyn RegistryStore>,
    endpoint_keys: Option<Arc<dyn EndpointKeys>>,
    map: AccountMap,
    /// Accounts with endpoints, to find the one whose keys changed.
    with_endpoints: Mutex<HashMap<AccountId, AccountName>>,
    /// Accounts in doubt that nobody is about to bring up to date.
    unsettled: Mutex<BTreeSet<AccountName>>,
    /// That there are some which others have changed.
    unsettled_by_others: Notify,
    uses: PendingUses,
    /// Access tokens that were revoked by their id, and until when to remember it.
    revoked_tokens: papaya::HashMap<Uuid, UnixTime>,
    /// Held while an account's entry goes from one state to the next.
    turn: tokio::sync::Mutex<()>,
    progress: watch::Sender<Progress>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl LiveDirectory {
    /// Begins to read the store in the background. Must be called within a
    /// tokio runtime; [`close`](Self::close) ends what it started.
    pub fn start(
        store: Arc<dyn RegistryStore>,
        endpoint_keys: Option<Arc<dyn EndpointKeys>>,
    ) -> Self {
        let inner = Inner::new(store, endpoint_keys, Trust::Alone);
        background::start(&inner, None);
        Self(inner)
    }

    /// The same for a store that others change too.
    pub fn follow(
        store: Arc<dyn RegistryStore>,
        endpoint_keys: Option<Arc<dyn EndpointKeys>>,
        following: Following,
    ) -> Self {
        let trust = match following.out_of_touch {
            OutOfTouch::AskTheStore => Trust::following(),
            OutOfTouch::GoOn => Trust::Alone,
        };
        let inner = Inner::new(store, endpoint_keys, trust);
        background::start(&inner, Some(following));
        Self(inner)
    }

    /// How far the reading is.
    pub fn progress(&self) -> Progress {
        *self.0.progress.borrow()
    }

    /// How many accounts are in memory.
    pub fn accounts(&self) -> usize {
        self.0.map.len()
    }

    /// How long ago it was seen that nobody else has changed anything that is not in memory;
    /// `None` if nobody else may, or the map is not believed at all.
    pub fn age(&self) -> Option<Duration> {
        self.0.map.trust().age()
    }

    /// Whether lookups are answered from memory at the moment, but for accounts in doubt.
    pub fn is_believed(&self) -> bool {
        self.0.map.can_say()
    }

    /// The first accounts in memory, by name, of which an API key that is not revoked expires
    /// behind the first instant and not behind the second.
    pub fn api_keys_that_expire(
        &self,
        (after, until): (UnixTime, UnixTime),
        limit: usize,
    ) -> Vec<AccountName> {
        self.0.map.first_names(limit, |account| {
            let live = account.api_keys.iter().filter(|key| key.revoked_at.is_none());
            live.filter_map(|key| key.expires_at).any(|at| after < at && at <= until)
        })
    }

    /// Waits until all accounts are in memory.
    pub async fn completed(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.progress.subscribe().wait_for(|p| *p == Progress::Complete).await;
    }

    /// Waits for changes that are under way, ends the background tasks and
    /// writes down every use that is not written down yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the uses could not be written.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        background::flush_all_uses(&self.0).await
    }
}

#[async_trait]
impl Directory for LiveDirectory {
    async fn find(&self, name: &AccountName) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        match self.0.map.find(name) {
            Answer::Known(account) => Ok(Some(account)),
            Answer::Absent => Ok(None),
            Answer::AskTheStore => self.0.ask_the_store(name).await,
        }
    }

    fn used(&self, used: LastUse) {
        self.0.uses.note(used);
    }

    fn unknown_key(&self, account: &AccountKeys) {
        if let Some(endpoint_keys) = &self.0.endpoint_keys {
            endpoint_keys.unknown_key(account.id);
        }
    }
}

#[async_trait]
impl TokenDirectory for LiveDirectory {
    async fn find_by_id(&self, id: AccountId) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        let found = match self.0.map.find_by_id(id) {
            Answer::Known(account) => Some(account),
            Answer::Absent => None,
            Answer::AskTheStore => match self.0.store.name_by_id(id).await? {
                Some(name) => self.0.ask_the_store(&name).await?,
                None => None,
            },
        };
        Ok(found.filter(|account| account.id == id))
    }

    async fn find_by_api_key(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        let found = match self.0.map.find_by_api_key(hash) {
            Answer::Known(account) => Some(account),
            Answer::Absent => None,
            Answer::AskTheStore => match self.0.store.name_by_api_key(hash).await? {
                Some(name) => self.0.ask_the_store(&name).await?,
                None => None,
            },
        };
        Ok(found.filter(|account| account.api_keys.iter().any(|key| key.hash == *hash)))
    }

    async fn is_token_revoked(&self, token_id: Uuid) -> Result<bool, DirectoryError> {
        if self.0.map.can_say() {
            Ok(self.0.revoked_tokens.pin().contains_key(&token_id))
        } else {
            Ok(self.0.store.is_token_revoked(token_id).await?)
        }
    }

    fn version(&self) -> Option<u64> {
        self.0.map.version()
    }

    fn is_in_touch(&self) -> bool {
        self.0.map.trust().holds()
    }
}

impl Inner {
    fn new(
        store: Arc<dyn RegistryStore>,
        endpoint_keys: Option<Arc<dyn EndpointKeys>>,
        trust: Trust,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            endpoint_keys,
            map: AccountMap::trusted(trust),
            with_endpoints: Mutex::default(),
            unsettled: Mutex::default(),
            unsettled_by_others: Notify::new(),
            uses: PendingUses::default(),
            revoked_tokens: papaya::HashMap::new(),
            turn: tokio::sync::Mutex::new(()),
            progress: watch::Sender::new(Progress::Loading),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
    }

    async fn ask_the_store(
        &self,
        name: &AccountName,
    ) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        let stored = self.store.load(name).await?;
        Ok(stored.map(|stored| Arc::new(self.account_keys(stored))))
    }

    /// Brings the entry of an account up to date with the store. If that
    /// fails, the account stays in doubt, and the background task tries again.
    ///
    /// The caller holds the turn.
    async fn refresh(&self, name: &AccountName) {
        self.unsettled().remove(name);
        let loaded = self.store.load(name).await;
        let mut unsettled = self.unsettled();
        if unsettled.contains(name) {
            // It was changed again while it was read, and is read again for that.
            return;
        }
        match loaded {
            Ok(Some(stored)) => {
                self.tell_endpoints(name, &stored);
                self.map.put(name.clone(), &Arc::new(self.account_keys(stored)));
            }
            Ok(None) => {
                self.forget_endpoints(name);
                self.map.remove(name);
            }
            Err(error) => {
                self.map.doubt(name.clone());
                unsettled.insert(name.clone());
                tracing::warn!(account = %name, %error, "an account could not be read again");
            }
        }
    }

    /// Others have changed these accounts: until they have been read again, the store is
    /// asked about them.
    fn doubt(&self, names: BTreeSet<AccountName>) {
        if names.is_empty() {
            return;
        }
        let mut unsettled = self.unsettled();
        for name in names {
            self.map.doubt(name.clone());
            unsettled.insert(name);
        }
        self.unsettled_by_others.notify_one();
    }

    /// Takes in which access tokens were revoked by their id.
    async fn read_revoked_tokens(&self) -> Result<(), StoreError> {
        let tokens = self.store.revoked_tokens().await?;
        let revoked = self.revoked_tokens.pin();
        for token in tokens {
            revoked.insert(token.token_id, token.remember_until);
        }
        self.map.count_change();
        Ok(())
    }

    /// Forgets all accounts, so that they can be read anew. The store is asked meanwhile.
    async fn start_over(&self) {
        self.map.trust().withdraw();
        let _turn = self.turn.lock().await;
        self.progress.send_replace(Progress::Loading);
        let mut unsettled = self.unsettled();
        unsettled.clear();
        self.map.clear();
    }

    /// Takes an account that was read to fill the map. One with endpoints is read
    /// again under the turn, as its list may have changed since.
    async fn fill_in(&self, stored: StoredAccount) {
        let had_endpoints = || self.with_endpoints().contains_key(&stored.account.id);
        if self.endpoint_keys.is_none() || (stored.endpoints.is_empty() && !had_endpoints()) {
            self.map.fill(&Arc::new(self.account_keys(stored)));
        } else {
            let _turn = self.turn.lock().await;
            self.refresh(&stored.account.name).await;
        }
    }

    /// What a verifier needs of a stored account, the keys of its endpoints included.
    fn account_keys(&self, stored: StoredAccount) -> AccountKeys {
        let StoredAccount { account, keys, endpoints, api_keys } = stored;
        let registered = keys.into_iter().map(|record| RegisteredKey {
            key: record.key,
            kid: None,
            algorithm: None,
            expires_at: record.expires_at,
            revoked: record.revoked_at.is_some(),
        });
        let registered = registered.collect();
        let keys = match &self.endpoint_keys {
            Some(source) if !endpoints.is_empty() => {
                merge_keys(registered, source.keys(account.id))
            }
            _ => registered,
        };
        let api_keys = api_keys.into_iter().map(|record| RegisteredApiKey {
            id: record.id,
            hash: record.hash,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
        });
        AccountKeys {
            id: account.id,
            name: account.name,
            groups: account.groups.into(),
            disabled: account.disabled,
            keys,
            api_keys: api_keys.collect(),
            tokens_revoked_at: account.tokens_revoked_at,
        }
    }

    /// Tells the fetcher which endpoints an account has now.
    fn tell_endpoints(&self, name: &AccountName, stored: &StoredAccount) {
        let Some(endpoint_keys) = &self.endpoint_keys else { return };
        let id = stored.account.id;
        let had = if stored.endpoints.is_empty() {
            self.with_endpoints().remove(&id).is_some()
        } else {
            self.with_endpoints().insert(id, name.clone()).is_some()
        };
        if had || !stored.endpoints.is_empty() {
            endpoint_keys.set_endpoints(id, &stored.endpoints);
        }
    }

    /// Tells the fetcher that an account has no endpoints, as it is gone.
    fn forget_endpoints(&self, name: &AccountName) {
        let Some(endpoint_keys) = &self.endpoint_keys else { return };
        let gone: Vec<AccountId> =
            self.with_endpoints().extract_if(|_, of| of == name).map(|(id, _)| id).collect();
        for id in gone {
            endpoint_keys.set_endpoints(id, &[]);
        }
    }

    /// Tells the fetcher that accounts which the filling did not find have no endpoints.
    fn forget_endpoints_of_the_gone(&self) {
        let Some(endpoint_keys) = &self.endpoint_keys else { return };
        let is_gone = |id: &AccountId, _: &mut AccountName| !self.map.has_id(*id);
        let gone: Vec<AccountId> =
            self.with_endpoints().extract_if(is_gone).map(|(id, _)| id).collect();
        for id in gone {
            endpoint_keys.set_endpoints(id, &[]);
        }
    }

    /// Adds how the fetching of endpoints goes, which the store does not know.
    fn overlay_status<'a>(&self, endpoints: impl IntoIterator<Item = &'a mut JwksEndpoint>) {
        let Some(endpoint_keys) = &self.endpoint_keys else { return };
        for endpoint in endpoints {
            endpoint.status = endpoint_keys.status(&endpoint.url);
        }
    }

    fn unsettled(&self) -> MutexGuard<'_, BTreeSet<AccountName>> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_endpoints(&self) -> MutexGuard<'_, HashMap<AccountId, AccountName>> {
        self.with_endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Which accounts are trusted through which endpoints, and what those published
//! last.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use countersign_core::ports::{EndpointStatus, RegisteredKey};
use countersign_core::{AccountId, JwkSet, PublicJwk, UnixTime};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::fetch::FetchError;
use super::url::{JwksUrl, JwksUrlError};
use crate::endpoint_keys::ChangeListener;

/// All endpoints and the accounts that are trusted through them.
pub(super) struct Book {
    keys_hold_for: Duration,
    pages: Mutex<Pages>,
    listener: RwLock<Option<Arc<ChangeListener>>>,
}

#[derive(Default)]
struct Pages {
    /// The URLs of each account, in order, each once.
    accounts: HashMap<AccountId, Vec<Arc<str>>>,
    endpoints: HashMap<Arc<str>, Endpoint>,
}

struct Endpoint {
    /// Those who are trusted through it; never empty.
    accounts: HashSet<AccountId>,
    /// What it published last.
    keys: Vec<PublicJwk>,
    status: EndpointStatus,
    wake: Arc<Notify>,
    /// `None` if the URL is not allowed. Ends with the endpoint.
    _refreshing: Option<AbortOnDropHandle<()>>,
}

impl Book {
    pub(super) fn new(keys_hold_for: Duration) -> Self {
        Self { keys_hold_for, pages: Mutex::default(), listener: RwLock::default() }
    }

    /// Replaces the endpoints of an account. `start` begins to fetch a URL that
    /// nobody was trusted through before; a URL that is not allowed is kept with
    /// its error, so that the operator sees why it has no keys.
    pub(super) fn set_endpoints(
        &self,
        account: AccountId,
        urls: &[(&str, Result<JwksUrl, JwksUrlError>)],
        start: impl Fn(JwksUrl, Arc<Notify>) -> AbortOnDropHandle<()>,
    ) {
        let mut pages = self.pages();
        let Pages { accounts, endpoints } = &mut *pages;
        let mut trusted: Vec<Arc<str>> = Vec::with_capacity(urls.len());
        for (text, parsed) in urls {
            let text = parsed.as_ref().map_or(*text, JwksUrl::as_str);
            if trusted.iter().any(|known| **known == *text) {
                continue;
            }
            let text: Arc<str> = text.into();
            let endpoint = endpoints.entry(Arc::clone(&text)).or_insert_with(|| {
                let wake = Arc::new(Notify::new());
                let refreshing = parsed.as_ref().map(|url| start(url.clone(), Arc::clone(&wake)));
                Endpoint::new(wake, refreshing)
            });
            endpoint.accounts.insert(account);
            trusted.push(text);
        }
        let before = if trusted.is_empty() {
            accounts.remove(&account)
        } else {
            accounts.insert(account, trusted.clone())
        };
        for gone in before.unwrap_or_default().iter().filter(|url| !trusted.contains(url)) {
            if let Some(endpoint) = endpoints.get_mut(gone) {
                endpoint.accounts.remove(&account);
                if endpoint.accounts.is_empty() {
                    endpoints.remove(gone);
                }
            }
        }
    }

    /// The keys of an account's endpoints. A key that several of them publish
    /// under one name holds for as long as any of them vouches for it.
    pub(super) fn keys(&self, account: AccountId) -> Vec<RegisteredKey> {
        let pages = self.pages();
        let mut keys: Vec<RegisteredKey> = Vec::new();
        for endpoint in pages.endpoints_of(account) {
            let expires_at = endpoint.status.fetched_at.map(|at| at + self.keys_hold_for);
            for jwk in &endpoint.keys {
                let kid = jwk.kid.as_deref();
                let known = keys.iter_mut().find(|known| {
                    known.key == jwk.key
                        && known.kid.as_deref() == kid
                        && known.algorithm == jwk.algorithm
                });
                match known {
                    Some(known) => known.expires_at = known.expires_at.max(expires_at),
                    None => keys.push(RegisteredKey {
                        key: jwk.key.clone(),
                        kid: kid.map(Into::into),
                        algorithm: jwk.algorithm,
                        expires_at,
                        revoked: false,
                    }),
                }
            }
        }
        keys
    }

    /// Brings the next fetch of an account's endpoints forward.
    pub(super) fn wake(&self, account: AccountId) {
        self.pages().endpoints_of(account).for_each(|endpoint| endpoint.wake.notify_one());
    }

    pub(super) fn status(&self, url: &str) -> Option<EndpointStatus> {
        self.pages().endpoints.get(url).map(|endpoint| endpoint.status.clone())
    }

    pub(super) fn tell(&self, listener: ChangeListener) {
        let mut place = self.listener.write().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Arc::new(listener));
    }

    /// Writes down how a fetch that began at `at` ended, and tells the listener
    /// whose keys it concerns.
    pub(super) fn record(&self, url: &JwksUrl, at: UnixTime, fetched: Result<JwkSet, FetchError>) {
        let concerned: Vec<AccountId> = {
            let mut pages = self.pages();
            // Gone in the meantime: nobody is trusted through it any more.
            let Some(endpoint) = pages.endpoints.get_mut(url.as_str()) else { return };
            endpoint.status.attempted_at = Some(at);
            match fetched {
                Ok(set) => endpoint.replace(url, at, set),
                Err(error) => return endpoint.keep(url, &error),
            }
            endpoint.accounts.iter().copied().collect()
        };
        // The listener may ask for the keys, so the lock is given back first.
        let listener = self.listener.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(listener) = listener {
            for account in concerned {
                listener(account);
            }
        }
    }

    /// Nothing panics while it holds the lock, so what a poisoned one guards is whole.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn endpoints_of(&self, account: AccountId) -> impl Iterator<Item = &Endpoint> {
        let urls = self.accounts.get(&account).into_iter().flatten();
        urls.filter_map(|url| self.endpoints.get(url))
    }
}

impl Endpoint {
    fn new(wake: Arc<Notify>, refreshing: Result<AbortOnDropHandle<()>, &JwksUrlError>) -> Self {
        let error = refreshing.as_ref().err().map(ToString::to_string);
        Self {
            accounts: HashSet::new(),
            keys: Vec::new(),
            status: EndpointStatus { error, ..EndpointStatus::default() },
            wake,
            _refreshing: refreshing.ok(),
        }
    }

    fn replace(&mut self, url: &JwksUrl, at: UnixTime, set: JwkSet) {
        let names = |keys: &[PublicJwk]| -> Vec<String> {
            keys.iter().map(|jwk| jwk.key.fingerprints().openssh()).collect()
        };
        let (before, now) = (names(&self.keys), names(&set.keys));
        let added: Vec<_> = now.iter().filter(|key| !before.contains(key)).collect();
        let removed: Vec<_> = before.iter().filter(|key| !now.contains(key)).collect();
        if !added.is_empty() || !removed.is_empty() {
            info!(%url, ?added, ?removed, "the keys of a JWKS endpoint changed");
        }
        let skipped: Vec<String> = set.skipped.iter().map(ToString::to_string).collect();
        if !skipped.is_empty() && skipped != self.status.skipped {
            warn!(%url, ?skipped, "a JWKS endpoint has keys that cannot be used");
        }
        if self.status.error.is_some() {
            info!(%url, "a JWKS endpoint can be fetched again");
        }
        self.keys = set.keys;
        self.status.fetched_at = Some(at);
        self.status.keys = self.keys.len();
        self.status.skipped = skipped;
        self.status.error = None;
    }

    fn keep(&mut self, url: &JwksUrl, error: &FetchError) {
        warn!(%url, %error, keys = self.keys.len(), "a JWKS endpoint cannot be fetched");
        self.status.error = Some(error.to_string());
    }
}

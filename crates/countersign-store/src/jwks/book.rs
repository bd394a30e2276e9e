//! Which accounts are trusted through which endpoints, and what those published
//! last.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use countersign_core::ports::{EndpointStatus, RegisteredKey};
use countersign_core::{AccountId, JwkSet, UnixTime};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::fetch::FetchError;
use super::published::Published;
use super::refresh::Record;
use super::url::{JwksUrl, JwksUrlError};
use crate::endpoint_keys::ChangeListener;

/// All endpoints and the accounts that are trusted through them.
pub(super) struct Book {
    keys_hold_for: Duration,
    pages: Mutex<Pages>,
    listener: RwLock<Option<Arc<ChangeListener>>>,
}

/// How the fetching of all endpoints goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwksSummary {
    /// How many there are.
    pub endpoints: usize,
    /// Of how many the last fetch failed, or which are not allowed.
    pub failing: usize,
    /// When the set was fetched that was fetched longest ago.
    pub oldest_fetch: Option<UnixTime>,
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
    published: Published,
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
            let expires_at =
                endpoint.published.status().fetched_at.map(|at| at + self.keys_hold_for);
            for jwk in endpoint.published.keys() {
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
        self.pages().endpoints.get(url).map(|endpoint| endpoint.published.status().clone())
    }

    pub(super) fn statuses(&self) -> Vec<(String, EndpointStatus)> {
        let pages = self.pages();
        let status = |(url, endpoint): (&Arc<str>, &Endpoint)| {
            (url.to_string(), endpoint.published.status().clone())
        };
        let mut statuses: Vec<_> = pages.endpoints.iter().map(status).collect();
        statuses.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        statuses
    }

    pub(super) fn summary(&self) -> JwksSummary {
        let pages = self.pages();
        let mut summary =
            JwksSummary { endpoints: pages.endpoints.len(), failing: 0, oldest_fetch: None };
        for status in pages.endpoints.values().map(|endpoint| endpoint.published.status()) {
            summary.failing += usize::from(status.error.is_some());
            let oldest = summary.oldest_fetch.into_iter().chain(status.fetched_at).min();
            summary.oldest_fetch = oldest;
        }
        summary
    }

    pub(super) fn tell(&self, listener: ChangeListener) {
        let mut place = self.listener.write().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Arc::new(listener));
    }

    /// Nothing panics while it holds the lock, so what a poisoned one guards is whole.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record for Book {
    /// Tells the listener, too, whose keys it concerns.
    fn record(&self, url: &JwksUrl, at: UnixTime, fetched: Result<JwkSet, FetchError>) {
        let concerned: Vec<AccountId> = {
            let mut pages = self.pages();
            // Gone in the meantime: nobody is trusted through it any more.
            let Some(endpoint) = pages.endpoints.get_mut(url.as_str()) else { return };
            if !endpoint.published.record(url, at, fetched) {
                return;
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
            published: Published::not_yet(error),
            wake,
            _refreshing: refreshing.ok(),
        }
    }
}

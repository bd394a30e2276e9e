//! What every store must do, as one suite that any implementation can run.
//!
//! Each case begins with an empty store and panics where the store does
//! something else than the port's documentation says.

mod accounts;
mod api_keys;
mod audit;
mod concurrency;
mod endpoints;
mod import;
mod keys;
mod last_admin;
mod refresh_tokens;
mod registry;
mod signing_keys;
mod visits;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use countersign_core::ports::{
    Account, AccountFilter, Act, AdminStore, AuditFilter, AuditRecord, NewAccount, NewPublicKey,
    Page, RefreshTokenStore, SigningKeyStore, VisitStore,
};
use countersign_core::{
    ADMIN_GROUP, AccountId, AccountName, GroupName, KeyKind, PrivateKey, PublicKey, UnixTime,
};
use uuid::Uuid;

pub use self::import::ImportTarget;
use crate::registry::RegistryStore;

/// Runs every case that concerns administration.
///
/// # Panics
/// Where the store does not do what the port says.
pub async fn administration(fresh: impl AsyncFn() -> Arc<dyn AdminStore>) {
    accounts::run(&fresh).await;
    keys::run(&fresh).await;
    endpoints::run(&fresh).await;
    last_admin::run(&fresh).await;
    audit::run(&fresh).await;
    concurrency::run(&fresh).await;
}

/// Runs every case that concerns what a directory, a first start and the fetcher
/// of JWKS endpoints need.
///
/// # Panics
/// Where the store does not do what the port says.
pub async fn registry(fresh: impl AsyncFn() -> Arc<dyn RegistryStore>) {
    registry::run(&fresh).await;
}

/// Runs every case that concerns API keys and revoked tokens.
///
/// # Panics
/// Where the store does not do what the port says.
pub async fn api_keys(fresh: impl AsyncFn() -> Arc<dyn RegistryStore>) {
    api_keys::run(&fresh).await;
}

/// Runs every case that concerns refresh tokens, kept beside a registry.
///
/// # Panics
/// Where the store does not do what the port says.
pub async fn refresh_tokens(
    fresh: impl AsyncFn() -> (Arc<dyn RegistryStore>, Arc<dyn RefreshTokenStore>),
) {
    refresh_tokens::run(&fresh).await;
}

/// Runs every case that concerns imports: into a registry with refresh tokens beside
/// it.
///
/// # Panics
/// Where the store does not do what the port says.
pub async fn import(fresh: impl AsyncFn() -> ImportTarget) {
    import::run(&fresh).await;
}

/// Runs every case that concerns signing keys.
///
/// # Panics
/// Where the store does not do what the port says.
pub async fn signing_keys(fresh: impl AsyncFn() -> Arc<dyn SigningKeyStore>) {
    signing_keys::run(&fresh).await;
}

/// Runs every case that concerns links into the console and its sessions, kept beside a
/// registry.
///
/// # Panics
/// Where the store does not do what the port says.
pub async fn visits(fresh: impl AsyncFn() -> (Arc<dyn RegistryStore>, Arc<dyn VisitStore>)) {
    visits::run(&fresh).await;
}

/// Runs the cases named here, each on a store of its own.
macro_rules! cases {
    ($port:ident: $($case:ident),* $(,)?) => {
        /// Runs the cases of this file.
        pub(super) async fn run(fresh: &impl AsyncFn() -> std::sync::Arc<dyn $port>) {
            $($case(fresh().await).await;)*
        }
    };
}
use cases;

/// An act of the operator `olga`, `seconds` after the epoch.
fn act(seconds: i64) -> Act {
    let from = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Act { actor: "olga".to_owned(), at: UnixTime::from_secs(seconds), from }
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn name(name: &str) -> AccountName {
    AccountName::new(name).expect("a name within the rule")
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).expect("a group within the rule")
}

fn id(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

fn new_account(number: u128, called: &str, groups: &[&str]) -> NewAccount {
    let groups = groups.iter().map(|name| group(name)).collect();
    NewAccount { id: id(number), name: name(called), groups }
}

/// A key that nobody has yet.
fn fresh_key() -> PublicKey {
    let pair = PrivateKey::generate(KeyKind::Ed25519).expect("a key pair");
    pair.public_key().clone()
}

fn new_key(key: &PublicKey) -> NewPublicKey {
    NewPublicKey { key: key.clone(), comment: "laptop".to_owned(), expires_at: None }
}

/// Makes an account without credentials.
async fn create(store: &dyn AdminStore, number: u128, called: &str, groups: &[&str]) -> Account {
    let new = new_account(number, called, groups);
    store.create_account(&act(1), new).await.expect("a new account")
}

/// Makes an account that can administrate, with the key it does so by.
async fn create_admin(store: &dyn AdminStore, number: u128, called: &str) -> PublicKey {
    create(store, number, called, &[ADMIN_GROUP]).await;
    let key = fresh_key();
    let added = store.add_public_key(&act(2), &name(called), new_key(&key)).await;
    added.expect("a new key");
    key
}

/// Everything a listing shows.
async fn listed(store: &dyn AdminStore, filter: &AccountFilter) -> Vec<String> {
    let page = Page { after: None, limit: 1000 };
    let accounts = store.accounts(filter, page).await.expect("a listing");
    accounts.into_iter().map(|account| account.name.into()).collect()
}

/// The whole trail.
async fn trail(store: &dyn AdminStore) -> Vec<AuditRecord> {
    store
        .audit(&AuditFilter::default(), Page { after: None, limit: 1000 })
        .await
        .expect("the trail")
}

//! What goes on behind a directory: filling it, writing down uses, looking again
//! at accounts in doubt, and taking in keys from JWKS endpoints.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{Page, StoreError};
use countersign_core::{AccountId, AccountName};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::following::{Following, follow};
use super::{Inner, Progress};

/// How many accounts are read at once. Each key is parsed when it is read, so
/// that a larger page would keep requests waiting on a busy machine.
const LOAD_PAGE: u32 = 250;
/// How long to wait before a page that could not be read is tried again.
const LOAD_RETRY: Duration = Duration::from_millis(500);
/// How often uses are written down and accounts in doubt are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How many uses are written down in one transaction, once a tick.
const USES_PER_TICK: usize = 1000;

/// Starts the tasks; they end when the directory is closed.
pub(super) fn start(inner: &Arc<Inner>, following: Option<Following>) {
    if let Some(endpoint_keys) = &inner.endpoint_keys {
        let (sender, receiver) = mpsc::unbounded_channel();
        endpoint_keys.tell(Box::new(move |account| {
            // The receiver is gone only when the directory is closed.
            let _ = sender.send(account);
        }));
        spawn(inner, |inner| take_in_endpoint_keys(inner, receiver));
    }
    match following {
        None => spawn(inner, fill),
        Some(following) => {
            spawn(inner, |inner| follow(inner, following));
            spawn(inner, settle_what_others_changed);
        }
    }
    spawn(inner, maintain);
}

/// Writes down all pending uses.
pub(super) async fn flush_all_uses(inner: &Inner) -> Result<(), StoreError> {
    while !inner.uses.is_empty() {
        flush_uses(inner).await?;
    }
    Ok(())
}

fn spawn<Work>(inner: &Arc<Inner>, work: impl FnOnce(Arc<Inner>) -> Work)
where
    Work: Future<Output = ()> + Send + 'static,
{
    let (closing, work) = (inner.closing.clone(), work(Arc::clone(inner)));
    inner.tasks.spawn(async move {
        // That the work was cut short is what closing means.
        let _ = closing.run_until_cancelled(work).await;
    });
}

/// Reads every account into the map, page after page.
pub(super) async fn fill(inner: Arc<Inner>) {
    let mut after: Option<AccountName> = None;
    let mut accounts: u64 = 0;
    loop {
        let page = Page { after: after.clone(), limit: LOAD_PAGE };
        let loaded = match inner.store.load_page(page).await {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::warn!(%error, "accounts cannot be read, trying again");
                tokio::time::sleep(LOAD_RETRY).await;
                continue;
            }
        };
        let Some(last) = loaded.last() else { break };
        after = Some(last.account.name.clone());
        for stored in loaded {
            accounts += 1;
            inner.fill_in(stored).await;
        }
        tokio::task::yield_now().await;
    }
    load_revoked_tokens(&inner).await;
    let _turn = inner.turn.lock().await;
    inner.forget_endpoints_of_the_gone();
    inner.map.complete();
    inner.progress.send_replace(Progress::Complete);
    tracing::info!(accounts, "all accounts are in memory");
}

/// Reads which access tokens were revoked by their id.
async fn load_revoked_tokens(inner: &Inner) {
    loop {
        match inner.read_revoked_tokens().await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "revoked tokens cannot be read, trying again");
                tokio::time::sleep(LOAD_RETRY).await;
            }
        }
    }
}

/// Writes down uses and looks again at accounts in doubt, from time to time.
async fn maintain(inner: Arc<Inner>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !inner.uses.is_empty()
            && let Err(error) = flush_uses(&inner).await
        {
            tracing::warn!(%error, "the last use of keys could not be written down");
        }
        settle(&inner).await;
    }
}

/// Looks at accounts in doubt as soon as others have changed them.
async fn settle_what_others_changed(inner: Arc<Inner>) {
    loop {
        inner.unsettled_by_others.notified().await;
        settle(&inner).await;
    }
}

/// Looks again at the accounts that are in doubt now.
async fn settle(inner: &Inner) {
    let unsettled = inner.unsettled().clone();
    for name in unsettled {
        let _turn = inner.turn.lock().await;
        // Others who wait for the turn may have seen to it.
        if inner.unsettled().contains(&name) {
            inner.refresh(&name).await;
        }
    }
}

async fn flush_uses(inner: &Inner) -> Result<(), StoreError> {
    let batch = inner.uses.batch(USES_PER_TICK);
    inner.store.record_last_use(&batch).await?;
    inner.uses.settle(&batch);
    Ok(())
}

/// Rebuilds accounts whose endpoints have brought other keys.
async fn take_in_endpoint_keys(inner: Arc<Inner>, mut changed: mpsc::UnboundedReceiver<AccountId>) {
    while let Some(account) = changed.recv().await {
        let name = inner.with_endpoints().get(&account).cloned();
        if let Some(name) = name {
            let _turn = inner.turn.lock().await;
            inner.refresh(&name).await;
        }
    }
}

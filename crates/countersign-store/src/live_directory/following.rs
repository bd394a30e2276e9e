//! Keeps a directory true that others change too.
//!
//! Each act of any server or command has its row in the store's audit trail, in the same
//! transaction, and acts take turns: rows appear in the order of their numbers. So whoever
//! has read every row up to the last has heard of everything. What a row touched is in
//! doubt from then on, and the store is asked about it, until it has been read again; the
//! map is believed until some time after the last look at the trail.
//!
//! The row that was read last must still be there as it was. If it is not, the trail was cut
//! or the database is another one, restored or promoted, and everything is read anew.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::AccountName;
use countersign_core::ports::{AuditRecord, Page, SharedSigningKeys, StoreError};
use tokio::time::{Instant, timeout};

use super::{Inner, background};
use crate::audit::Touched;

/// How long to wait for news before looking without.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long one look may take. One that takes longer confirms nothing any more.
const LOOK_TIMEOUT: Duration = Duration::from_millis(1500);
/// How many rows are read at once.
const ROWS: u32 = 250;
/// With more accounts in doubt than this, reading all of them page by page is faster.
const MANY_IN_DOUBT: usize = 5000;

/// The audit trail of a store that several servers share, as one of them follows it.
#[async_trait]
pub trait SharedTrail: Send + Sync {
    /// The rows behind one, in the order of their numbers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn rows(&self, page: Page<i64>) -> Result<Vec<AuditRecord>, StoreError>;

    /// The last row.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn last(&self) -> Result<Option<AuditRecord>, StoreError>;

    /// Waits until there may be more rows: news that came since the last call ends it at once.
    /// It may miss some, or wait for ever.
    async fn news(&self);
}

/// What a directory needs to hear of what others do.
#[derive(Clone)]
pub struct Following {
    /// Where they write it down.
    pub trail: Arc<dyn SharedTrail>,
    /// What must be read again when they have changed signing keys.
    pub signing_keys: Option<Arc<dyn SharedSigningKeys>>,
    /// What to do when they cannot be heard.
    pub out_of_touch: OutOfTouch,
}

/// What a directory does that cannot see what others change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfTouch {
    /// It asks the store: among several servers none may go by what another has revoked.
    AskTheStore,
    /// It goes on with what it knows: the only server, beside which commands make changes.
    GoOn,
}

/// Fills the directory and keeps it true, and begins again whenever that cannot be done row
/// by row.
pub(super) async fn follow(inner: Arc<Inner>, following: Following) {
    loop {
        let mut position =
            Position { row: last_row(&*following.trail).await, signing_keys_changed: false };
        background::fill(Arc::clone(&inner)).await;
        let mut in_touch = true;
        loop {
            let looked_at = Instant::now();
            let look = catch_up(&inner, &following, &mut position);
            let trouble = match timeout(LOOK_TIMEOUT, look).await {
                Ok(Ok(ControlFlow::Continue(()))) => {
                    inner.map.trust().confirm(looked_at);
                    None
                }
                Ok(Ok(ControlFlow::Break(why))) => {
                    tracing::info!(why, "all accounts are read again");
                    break;
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("it takes too long".to_owned()),
            };
            note(&mut in_touch, trouble);
            // That nobody said anything is no reason not to look.
            let _ = timeout(LOOK_EVERY, following.trail.news()).await;
        }
        inner.start_over().await;
    }
}

/// Says when the database is lost and when it is back, once each.
fn note(in_touch: &mut bool, trouble: Option<String>) {
    match trouble {
        Some(trouble) if *in_touch => {
            tracing::warn!(trouble, "cannot see what others change in the database");
            *in_touch = false;
        }
        None if !*in_touch => {
            tracing::info!("what others change in the database is seen again");
            *in_touch = true;
        }
        _ => {}
    }
}

/// How far the trail was read.
struct Position {
    row: Option<AuditRecord>,
    /// A row before told of signing keys that have not been read since. That they cannot be
    /// must not keep us from the rows behind.
    signing_keys_changed: bool,
}

async fn last_row(trail: &dyn SharedTrail) -> Option<AuditRecord> {
    loop {
        match timeout(LOOK_TIMEOUT, trail.last()).await {
            Ok(Ok(last)) => return last,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the audit trail cannot be read, trying again");
            }
            Err(_) => tracing::warn!("the audit trail takes too long, trying again"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Takes in all rows behind the position, and what they say of signing keys. Breaks off if
/// everything has to be read anew.
async fn catch_up(
    inner: &Inner,
    following: &Following,
    position: &mut Position,
) -> Result<ControlFlow<&'static str>, StoreError> {
    loop {
        // From the row itself on, which shows that it is still there.
        let after = position.row.as_ref().map(|row| row.sequence - 1);
        let rows = following.trail.rows(Page { after, limit: ROWS }).await?;
        let read = rows.len();
        let mut rows = rows.into_iter();
        if position.row.is_some() && rows.next() != position.row {
            return Ok(ControlFlow::Break("the audit trail is not the one that was read before"));
        }
        let last = rows.clone().last();
        match take_in(inner, rows).await? {
            ControlFlow::Break(why) => return Ok(ControlFlow::Break(why)),
            ControlFlow::Continue(signing_keys) => position.signing_keys_changed |= signing_keys,
        }
        if last.is_some() {
            position.row = last;
        }
        if read < ROWS as usize {
            break;
        }
    }
    if position.signing_keys_changed
        && let Some(signing_keys) = &following.signing_keys
    {
        signing_keys.read_again().await?;
    }
    position.signing_keys_changed = false;
    Ok(ControlFlow::Continue(()))
}

/// Takes in what rows say of accounts and tokens; whether they tell of signing keys. On an
/// error they are taken in again.
async fn take_in(
    inner: &Inner,
    rows: impl Iterator<Item = AuditRecord>,
) -> Result<ControlFlow<&'static str, bool>, StoreError> {
    let mut accounts = BTreeSet::<AccountName>::new();
    let (mut tokens, mut keys) = (false, false);
    for row in rows {
        match Touched::by_target(&row.target) {
            Touched::Account(name) => drop(accounts.insert(name)),
            Touched::RevokedTokens => tokens = true,
            Touched::SigningKeys => keys = true,
            Touched::Nothing => {}
            Touched::Unknown => {
                return Ok(ControlFlow::Break("another version has acted"));
            }
        }
    }
    inner.doubt(accounts);
    if inner.map.in_doubt() > MANY_IN_DOUBT {
        return Ok(ControlFlow::Break("many accounts were changed"));
    }
    if tokens {
        inner.read_revoked_tokens().await?;
    }
    Ok(ControlFlow::Continue(keys))
}

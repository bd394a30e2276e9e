//! A server's place at a PostgreSQL database: among those whose guard has the same memory, or
//! alone there if its guard is its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::UnixTime;
use countersign_core::ports::{GuardError, NONCE_RETENTION_MARGIN, ReplayGuard, Spend};
use countersign_store::replay::Memory;
use countersign_store::{Database, Presence, PresenceError};
use tokio::sync::watch;

use crate::config::Settings;
use crate::failure::Failure;

/// How much longer than it may go on after a signal to stop a server is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// Takes it for a guard with this memory. A file is locked by whoever opens it, and needs none.
///
/// # Errors
/// A [`Failure`] that names the setting, if servers are there that do not go together with
/// this one.
pub(super) async fn take(
    settings: &Settings,
    database: &Database,
    memory: watch::Receiver<Memory>,
) -> Result<Option<Presence>, Failure> {
    let Database::Postgres(server) = database else { return Ok(None) };
    // One that is being replaced by this one is still at it.
    let patience = settings.limits.drain_delay + settings.limits.drain_timeout + GRACE;
    // What was accepted at its very end may be of a time as far ahead.
    let window = 2 * settings.tolerance + NONCE_RETENTION_MARGIN;
    let is_shared = settings.replay.guard.is_shared(database);
    match Presence::take(server.clone(), memory, (patience, window)).await {
        Ok(presence) => Ok(Some(presence)),
        Err(PresenceError::Taken) if is_shared => Err(Failure::usage(
            "replay_guard: another server on this database remembers used tokens by itself, so \
             that a token would be good once more here: give that one `database` or `redis` too, \
             or stop it",
        )),
        Err(PresenceError::Taken) => Err(Failure::usage(
            "replay_guard is of this server alone, and another server is at work on this \
             database: a token would be good at each of them; give both `database` or `redis`, \
             or stop the other",
        )),
        Err(PresenceError::Elsewhere) => Err(Failure::usage(
            "replay_guard: servers on this database remember used tokens elsewhere, in another \
             guard, Redis or namespace, so that a token would be good once more here: give all \
             the same `replay_guard`, `redis_url` and `redis_namespace`; to change them, stop \
             all servers first",
        )),
        Err(error) => Err(Failure::usage(format_args!("database_url: {error}"))),
    }
}

/// A guard that accepts nothing while others have this one's place.
pub(super) struct InPlace {
    pub(super) guard: Arc<dyn ReplayGuard>,
    pub(super) presence: Presence,
}

impl InPlace {
    fn judge(&self) -> Result<(), GuardError> {
        if self.presence.is_kept() {
            return Ok(());
        }
        Err(GuardError::Unavailable(
            "this server has no place at its database: others are there, or just were, that \
             remember used tokens elsewhere"
                .to_owned(),
        ))
    }
}

#[async_trait]
impl ReplayGuard for InPlace {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        self.judge()?;
        self.guard.spend(spend).await?;
        // It may have been entered in another memory than the one that the place is for.
        self.judge()
    }

    async fn check(&self) -> Result<(), GuardError> {
        self.judge()?;
        self.guard.check().await
    }

    fn waits_until(&self) -> Option<UnixTime> {
        self.guard.waits_until()
    }

    fn live_uses(&self) -> Option<usize> {
        self.guard.live_uses()
    }
}

//! A server's place at a PostgreSQL database: alone there if its guard is its own. Two kinds of
//! shared guard are not told apart.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{GuardError, NONCE_RETENTION_MARGIN, ReplayGuard, Spend};
use countersign_store::{Company, Database, Presence, PresenceError};

use crate::config::Settings;
use crate::failure::Failure;

/// How much longer than it may go on after a signal to stop a server is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// Takes it. A file is locked by whoever opens it, and needs none.
///
/// # Errors
/// A [`Failure`] that names the setting, if servers are there that do not go together with
/// this one.
pub(super) async fn take(
    settings: &Settings,
    database: &Database,
) -> Result<Option<Arc<Presence>>, Failure> {
    let Database::Postgres(server) = database else { return Ok(None) };
    let is_shared = settings.replay.guard.is_shared(database);
    let company = if is_shared { Company::Others } else { Company::Nobody };
    // One that is being replaced by this one is still at it.
    let patience = settings.limits.drain_delay + settings.limits.drain_timeout + GRACE;
    // What was accepted at its very end may be of a time as far ahead. Servers that share their
    // memory know of it.
    let window = match company {
        Company::Others => Duration::ZERO,
        Company::Nobody => 2 * settings.tolerance + NONCE_RETENTION_MARGIN,
    };
    match Presence::take(server.clone(), company, (patience, window)).await {
        Ok(presence) => Ok(Some(Arc::new(presence))),
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
        Err(error) => Err(Failure::usage(format_args!("database_url: {error}"))),
    }
}

/// A guard that records nothing while another server has this one's place.
pub(super) struct InPlace {
    pub(super) guard: Arc<dyn ReplayGuard>,
    pub(super) presence: Arc<Presence>,
}

impl InPlace {
    fn judge(&self) -> Result<(), GuardError> {
        if self.presence.is_taken() {
            return Err(GuardError::Unavailable(
                "another server has taken this one's place at the database, and remembers used \
                 tokens by itself"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl ReplayGuard for InPlace {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        self.judge()?;
        self.guard.spend(spend).await
    }

    async fn check(&self) -> Result<(), GuardError> {
        self.judge()?;
        self.guard.check().await
    }

    fn live_uses(&self) -> Option<usize> {
        self.guard.live_uses()
    }
}

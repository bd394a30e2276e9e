//! The task that enters what waits, and opens a session when there is none.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_core::UnixTime;
use countersign_core::ports::{GuardError, ReplayKey};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use super::UnfitDatabase;
use super::buckets::{self, Doubt, Outcome};
use super::epoch::{Bucket, Epoch};
use super::session::{Before, OpenError, Opener, Session};
use crate::gather::gather;
use crate::replay::limits::SharedTolerance;
use crate::replay::shared::Attempt;

/// The most uses entered with one statement.
const BATCH: usize = 1024;
/// How often a session is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// What PostgreSQL says of a full disk.
const DISK_FULL: &str = "53100";

/// A use on its way into the database.
pub(super) struct Waiting {
    pub(super) key: ReplayKey,
    pub(super) time: UnixTime,
    pub(super) attempt: Attempt,
    /// Told under which epoch it was entered. Nobody may be listening.
    pub(super) done: oneshot::Sender<Result<Epoch, GuardError>>,
}

/// Enters uses, one batch at a time.
pub(super) struct Writer {
    opener: Opener,
    session: Option<Session>,
    before: Before,
    epoch: watch::Sender<Result<Epoch, String>>,
}

/// Why a batch is not finished.
enum Unfinished {
    /// The session is over; another may finish it.
    InDoubt(String),
    /// The disk is full.
    Full,
}

impl From<Doubt> for Unfinished {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Database(error) if is_disk_full(&error) => Self::Full,
            Doubt::Database(error) => Self::InDoubt(error.to_string()),
            Doubt::Late(limit) => Self::InDoubt(format!("no answer within {limit:?}")),
            Doubt::Clock(reason) => Self::InDoubt(reason),
        }
    }
}

impl Writer {
    /// Opens the first session.
    pub(super) async fn start(
        opener: Opener,
        tolerance: SharedTolerance,
    ) -> Result<(Self, watch::Receiver<Result<Epoch, String>>), UnfitDatabase> {
        let before = Before { tolerance, reached: 0, number: 0 };
        let first = opener.open(before).await;
        if let Err(OpenError::Unfit(reason)) = first {
            return Err(UnfitDatabase(reason));
        }
        let (epoch, present) = watch::channel(Err(String::new()));
        let mut writer = Self { opener, session: None, before, epoch };
        writer.take(first);
        Ok((writer, present))
    }

    /// Works until the guard at the other end of the queue is gone.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::new();
        // By the clock, and not when nothing else is to do: under steady load that never is.
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                count = queue.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    gather(&mut queue, &mut batch, BATCH).await;
                    self.work(&mut batch).await;
                }
                _ = looks.tick() => self.look().await,
            }
        }
    }

    /// Enters a batch, and if the session is lost over it, once more with the next.
    async fn work(&mut self, batch: &mut Vec<Waiting>) {
        for again in [false, true] {
            batch.retain(|waiting| !waiting.done.is_closed());
            if batch.is_empty() {
                return;
            }
            if self.session.is_none() {
                let opened = self.opener.open(self.before).await;
                self.take(opened);
            }
            match self.enter(batch, again).await {
                Ok(()) => {}
                Err(Unfinished::Full) => {
                    tracing::error!("spent nonces cannot be written: the database's disk is full");
                    answer(batch, &Err(GuardError::Full));
                }
                Err(Unfinished::InDoubt(reason)) => self.lose(reason),
            }
        }
        let reason = self.epoch.borrow().as_ref().err().cloned().unwrap_or_default();
        answer(batch, &Err(GuardError::Unavailable(reason)));
    }

    /// Enters what it can, and takes out of the batch what was answered.
    async fn enter(&mut self, batch: &mut Vec<Waiting>, again: bool) -> Result<(), Unfinished> {
        let Some(session) = &mut self.session else {
            let reason = self.epoch.borrow().as_ref().err().cloned();
            return Err(Unfinished::InDoubt(reason.unwrap_or_default()));
        };
        let epoch = session.present.epoch;
        let mut by_bucket: BTreeMap<Bucket, Vec<Waiting>> = BTreeMap::new();
        for waiting in batch.drain(..) {
            by_bucket.entry(epoch.bucket(waiting.time)).or_default().push(waiting);
        }
        while let Some((bucket, uses)) = by_bucket.pop_first() {
            let mut refs: Vec<&Waiting> = uses.iter().collect();
            let entering = buckets::enter(&self.opener, session, bucket, &mut refs, again);
            let unfinished = match entering.await {
                Ok(Outcome::Entered(entered)) => {
                    for waiting in uses {
                        let is_own = entered.contains(&waiting.key.as_bytes()[..]);
                        let outcome = if is_own { Ok(epoch) } else { Err(GuardError::Replayed) };
                        let _ = waiting.done.send(outcome);
                    }
                    continue;
                }
                Ok(Outcome::Outside) => {
                    answer(&mut { uses }, &Err(GuardError::OutsideWindow));
                    continue;
                }
                Ok(Outcome::Stale) => Unfinished::InDoubt("another epoch has begun".to_owned()),
                Err(doubt) => doubt.into(),
            };
            batch.extend(uses);
            batch.extend(by_bucket.into_values().flatten());
            return Err(unfinished);
        }
        Ok(())
    }

    /// Sees whether the session is still good, or opens one.
    async fn look(&mut self) {
        let Some(session) = &mut self.session else {
            let opened = self.opener.open(self.before).await;
            return self.take(opened);
        };
        let limit = self.opener.limits.answer;
        let reason = match tokio::time::timeout(limit, self.opener.look(session)).await {
            Ok(Ok(())) => return,
            Ok(Err(reason)) => reason,
            Err(_) => format!("no answer within {limit:?}"),
        };
        self.lose(reason);
        let opened = self.opener.open(self.before).await;
        self.take(opened);
    }

    fn lose(&mut self, reason: String) {
        if let Some(session) = self.session.take() {
            self.before.reached = session.present.reached;
            self.before.number = session.present.epoch.number;
            tracing::warn!(reason, "the connection for spent nonces is over; opening another");
            drop(self.epoch.send_replace(Err(reason)));
        }
    }

    /// Says what is new, and not with each try that the database is still away.
    fn take(&mut self, opened: Result<Session, OpenError>) {
        match opened {
            Ok(session) => {
                let before = self.epoch.send_replace(Ok(session.present.epoch));
                if before.is_err_and(|reason| !reason.is_empty()) {
                    tracing::info!("spent nonces can be written again");
                }
                self.before.tolerance = self.before.tolerance.agreed();
                self.session = Some(session);
            }
            Err(OpenError::Unfit(reason) | OpenError::Unusable(reason)) => {
                let before = self.epoch.send_replace(Err(reason.clone()));
                if before.as_ref().err() == Some(&reason) {
                    tracing::debug!(reason, "spent nonces still cannot be written");
                } else {
                    tracing::error!(
                        reason,
                        "spent nonces cannot be written: signed requests get 503"
                    );
                }
            }
        }
    }
}

fn is_disk_full(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == DISK_FULL)
}

fn answer(batch: &mut Vec<Waiting>, outcome: &Result<Epoch, GuardError>) {
    for waiting in batch.drain(..) {
        // A caller that has gone away is not told.
        let _ = waiting.done.send(outcome.clone());
    }
}

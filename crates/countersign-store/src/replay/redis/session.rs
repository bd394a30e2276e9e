//! Connections to all masters that were opened together, and are beyond doubt together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_core::ports::{GuardError, NONCE_RETENTION_MARGIN, Spend};
use countersign_core::{Clock, Random, UnixTime};
use tokio_util::sync::CancellationToken;

use super::epoch::{Epoch, Namespace, Written};
use super::id;
use super::marks::{Found, Marks, Seen};
use super::masters::{Dialer, Master};
use super::network::RedisNetwork;
use super::survey::{Identity, survey};
use super::url::Topology;
use super::{RedisDurability, RedisServer};
use crate::replay::hold;
use crate::replay::limits::{SharedLimits, SharedTolerance};
use crate::replay::memory::MemoryId;
use crate::replay::skew;

/// Why Redis is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// It answers, and could forget spent nonces: its operator must change that.
    #[error("Redis will not do: {0}")]
    Unfit(String),
    /// It cannot be reached, or does not answer as Redis does.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
}

impl RedisError {
    pub(super) fn unexpected(command: &str) -> Self {
        Self::Unreachable(format!("its answer to {command} is not understood"))
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        let said = error.to_string();
        let kind = error.kind();
        let refuses = |code: &str| matches!(code, "NOAUTH" | "NOPERM" | "WRONGPASS");
        let errors = error.into_server_errors();
        let is_refused = kind == redis::ErrorKind::AuthenticationFailed
            || errors.is_some_and(|errors| errors.iter().any(|(_, said)| refuses(said.code())));
        if is_refused { Self::Unfit(said) } else { Self::Unreachable(said) }
    }
}

/// Opens sessions.
pub(super) struct Opener {
    topology: Topology,
    dialer: Dialer,
    namespace: Namespace,
    durability: RedisDurability,
    tolerance: SharedTolerance,
    skew: Duration,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Opener {
    /// An opener for this Redis.
    pub(super) fn new(
        network: Option<Arc<dyn RedisNetwork>>,
        server: RedisServer,
        tolerance: SharedTolerance,
        limits: SharedLimits,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    ) -> Self {
        Self {
            topology: server.url.0,
            dialer: Dialer::new(network, server.root_certificate, limits),
            namespace: server.namespace,
            durability: server.durability,
            tolerance,
            skew: limits.skew,
            clock,
            random,
        }
    }

    /// Connects to all masters and finds out since when they have remembered every use.
    /// `before` is the session before.
    pub(super) async fn open(&self, before: Option<&Session>) -> Result<Session, RedisError> {
        let mut masters = Vec::new();
        for master in self.dialer.masters(&self.topology).await? {
            let marks = Marks::of(&self.namespace, &master);
            let marks = marks.ok_or_else(|| RedisError::unexpected("CLUSTER SLOTS"))?;
            masters.push(Marked { master, marks });
        }
        let identity = self.survey(&masters).await?;
        let mut session = Session {
            masters,
            // Replaced below.
            epoch: Epoch {
                identity: identity.clone(),
                since: self.clock.now(),
                tolerance: self.tolerance.width(),
            },
            written: String::new(),
            id: None,
            skew: self.skew,
            over: CancellationToken::new(),
            has_forgotten: AtomicBool::new(false),
        };
        let (written, latest) = self.read_marks(&session, before).await?;
        // After everything that a forgotten use could have been accepted by, by whichever clock
        // is ahead: what was accepted by the clock of a master that is gone lies behind it, too.
        let now = self.clock.now().max(latest);
        // Once: two servers that change it would go on by turns.
        let tolerance = if before.is_some() { self.tolerance.agreed() } else { self.tolerance };
        let before = before.map(|before| &before.epoch);
        let whole =
            if let Written::Whole(epoch) = &written { epoch.to_string() } else { String::new() };
        let (epoch, is_new) = Epoch::next(written, identity, before, (tolerance, now));
        tolerance.judge(epoch.tolerance).map_err(RedisError::Unfit)?;
        session.written = if is_new { epoch.to_string() } else { whole };
        session.epoch = epoch;
        if is_new {
            session.begin().await?;
        }
        self.advance(&session).await?;
        session.id = Some(id::read_or_draw(&session, &self.namespace, &*self.random).await?);
        Ok(session)
    }

    /// What the masters have of an epoch, and the latest time by any of their clocks.
    async fn read_marks(
        &self,
        session: &Session,
        before: Option<&Session>,
    ) -> Result<(Written, UnixTime), RedisError> {
        let mut epochs = Vec::new();
        let mut latest = UnixTime::from_micros(i64::MIN);
        let mut is_in_doubt =
            before.is_some_and(|before| before.has_forgotten.load(Ordering::Relaxed));
        for Marked { master, marks } in &session.masters {
            let asked = self.clock.now();
            let (found, _) = marks.read(&mut master.connection.clone()).await?;
            session.judge_clock(&found, (asked, self.clock.now()))?;
            is_in_doubt |= found.was_set_back();
            latest = latest.max(found.latest());
            epochs.push(found.epoch.as_deref().and_then(Epoch::read));
        }
        Ok((Written::of(epochs, is_in_doubt), latest))
    }

    /// Whether a session is still what it was when it was opened.
    pub(super) async fn verify(&self, session: &Session) -> Result<(), RedisError> {
        if self.survey(&session.masters).await? != session.epoch.identity {
            return Err(RedisError::Unreachable("it has become another".to_owned()));
        }
        if id::read(session, &self.namespace).await? != session.id {
            return Err(RedisError::Unreachable("it has forgotten which it was".to_owned()));
        }
        for Marked { master, marks } in &session.masters {
            let asked = self.clock.now();
            let found = marks.read(&mut master.connection.clone()).await?;
            session.judge_marks(marks, &found, (asked, self.clock.now()))?;
        }
        self.advance(session).await
    }

    /// What these masters are, with the replicas that they have now.
    async fn survey(&self, masters: &[Marked]) -> Result<Identity, RedisError> {
        let masters: Vec<&Master> = masters.iter().map(|marked| &marked.master).collect();
        let failovers = self.dialer.failovers(&self.topology, &masters).await?;
        survey(masters.into_iter().zip(failovers), self.durability).await
    }

    async fn advance(&self, session: &Session) -> Result<(), RedisError> {
        for Marked { master, marks } in &session.masters {
            marks.advance(&mut master.connection.clone()).await?;
        }
        Ok(())
    }
}

/// Connections to all masters. It is never mended: what a broken connection, another layout
/// or another process leaves in doubt is judged anew by opening the next.
pub(super) struct Session {
    masters: Vec<Marked>,
    pub(super) epoch: Epoch,
    /// How the masters have it.
    written: String,
    /// Which Redis it is with, once that is known.
    pub(super) id: Option<MemoryId>,
    skew: Duration,
    over: CancellationToken,
    /// Whether a master has forgotten what only this session has seen.
    has_forgotten: AtomicBool,
}

/// A master, and what it carries.
pub(super) struct Marked {
    pub(super) master: Master,
    pub(super) marks: Marks,
}

impl Session {
    /// Whoever takes a key.
    pub(super) fn master(&self, key: &[u8]) -> Result<&Marked, RedisError> {
        let taker = self.masters.iter().find(|marked| marked.master.takes(key));
        taker.ok_or_else(|| {
            RedisError::Unreachable("nobody in the cluster takes this key".to_owned())
        })
    }

    /// Begins its epoch with all masters.
    async fn begin(&self) -> Result<(), RedisError> {
        for Marked { master, marks } in &self.masters {
            let mut connection = master.connection.clone();
            let (found, _) = marks.read(&mut connection).await?;
            marks.begin(&mut connection, (&self.written, found.now)).await?;
        }
        Ok(())
    }

    /// Refuses a master that is not what it was, or does not agree about the time. It was
    /// asked and has answered between these two instants.
    pub(super) fn judge_marks(
        &self,
        marks: &Marks,
        (found, seen): &(Found, Seen),
        between: (UnixTime, UnixTime),
    ) -> Result<(), RedisError> {
        if found.epoch.as_deref() != Some(&*self.written) {
            return Err(RedisError::Unreachable("it has forgotten what it was".to_owned()));
        }
        if !marks.go_on(found, seen) {
            self.has_forgotten.store(true, Ordering::Relaxed);
            return Err(RedisError::Unreachable(
                "it was restored, or its clock was set back".to_owned(),
            ));
        }
        self.judge_clock(found, between)
    }

    fn judge_clock(&self, found: &Found, between: (UnixTime, UnixTime)) -> Result<(), RedisError> {
        skew::judge(found.now, between, self.skew).map_err(RedisError::Unreachable)
    }

    /// Refuses what may have been accepted and forgotten.
    pub(super) fn judge(&self, spend: &Spend<'_>, now: UnixTime) -> Result<(), GuardError> {
        let reach = self.epoch.tolerance + NONCE_RETENTION_MARGIN;
        hold::judge(spend, (self.epoch.since, reach), now).map_err(|held| {
            held.because(
                "Redis may have forgotten the token: it has restarted, has failed over or is new",
            )
        })
    }

    /// Ends it: no answer from it counts from now on.
    pub(super) fn end(&self) {
        self.over.cancel();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) {
        self.over.cancelled().await;
    }
}

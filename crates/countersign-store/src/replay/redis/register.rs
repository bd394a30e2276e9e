//! Entering uses, each in one round trip.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{GuardError, NONCE_RETENTION_MARGIN, Spend};
use countersign_core::{Clock, UnixTime};
use redis::{ErrorKind, ServerErrorKind};

use super::epoch::Namespace;
use super::link::Link;
use super::marks::{Found, is_full};
use super::session::{RedisError, Session};
use crate::replay::shared::{Attempt, Register};
use crate::replay::skew::MAX_CLOCK_SKEW;
use crate::replay::wheel::check_window;

/// Uses in Redis, each under a key of its own that expires.
pub(super) struct RedisRegister {
    link: Link,
    namespace: Namespace,
    clock: Arc<dyn Clock>,
}

/// What became of one try.
enum Tried {
    Answered(Result<(), GuardError>),
    /// Nobody knows, for this; the next session will.
    InDoubt(RedisError),
}

impl RedisRegister {
    pub(super) fn new(link: Link, namespace: Namespace, clock: Arc<dyn Clock>) -> Self {
        Self { link, namespace, clock }
    }

    async fn attempt(&self, session: &Session, spend: &Spend<'_>, attempt: Attempt) -> Tried {
        let now = self.clock.now();
        let judged = session.judge(spend, now).and_then(|()| check_window(spend, now));
        if let Err(refused) = judged {
            return Tried::Answered(Err(refused));
        }
        let key = self.namespace.key(spend.key);
        let master = match session.master(key.as_bytes()) {
            Ok(master) => master,
            Err(error) => return Tried::Answered(Err(unavailable(&error))),
        };
        let mut pipeline = redis::pipe();
        let set = pipeline.cmd("SET").arg(key).arg(&attempt.0).arg("NX").arg("GET");
        set.arg("PX").arg(lifetime(session, spend, now).as_millis());
        // After it: whatever was forgotten before, also by then, shows.
        let seen = master.marks.ask(&mut pipeline);
        let mut connection = master.master.connection.clone();
        let answer: Result<(Option<Vec<u8>>, _, _), _> =
            pipeline.query_async(&mut connection).await;
        let before = match answer {
            Ok((before, marks, time)) => {
                let found = (Found::read((marks, time)), seen);
                let judged = session.judge_marks(&master.marks, &found, (now, self.clock.now()));
                if let Err(error) = judged {
                    return Tried::InDoubt(error);
                }
                before
            }
            Err(error) => return failed(error),
        };
        match before {
            // A process that was replaced may have answered as if it were not.
            _ if session.is_over() => {
                Tried::InDoubt(RedisError::Unreachable("a connection was lost".to_owned()))
            }
            None => Tried::Answered(Ok(())),
            // Entered by this same attempt, over a connection that broke.
            Some(entered) if entered == attempt.0 => Tried::Answered(Ok(())),
            Some(_) => Tried::Answered(Err(GuardError::Replayed)),
        }
    }
}

/// What an error leaves open.
fn failed(error: redis::RedisError) -> Tried {
    match error.kind() {
        _ if is_full(&error) => Tried::Answered(Err(GuardError::Full)),
        // Somebody else takes this key now: it moved, or the master became a replica.
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::ReadOnly) => {
            Tried::InDoubt(error.into())
        }
        ErrorKind::Server(_) | ErrorKind::Extension => {
            Tried::Answered(Err(GuardError::Unavailable(error.to_string())))
        }
        _ => Tried::InDoubt(error.into()),
    }
}

#[async_trait]
impl Register for RedisRegister {
    fn admit(&self, spend: &Spend<'_>, now: UnixTime) -> Result<(), GuardError> {
        self.link.session().map_err(|error| unavailable(&error))?.judge(spend, now)
    }

    async fn enter(&self, spend: &Spend<'_>, attempt: Attempt) -> Result<(), GuardError> {
        let mut session = self.link.session().map_err(|error| unavailable(&error))?;
        // Ends with the limit that the caller sets.
        loop {
            match self.attempt(&session, spend, attempt).await {
                Tried::Answered(answer) => return answer,
                Tried::InDoubt(why) => {
                    self.link.doubt(&session, why);
                    session = self.link.next(&session).await;
                }
            }
        }
    }

    fn forgotten_until(&self) -> Option<UnixTime> {
        let epoch = &self.link.session().ok()?.epoch;
        Some(epoch.since + epoch.tolerance + NONCE_RETENTION_MARGIN)
    }

    fn check(&self) -> Result<(), GuardError> {
        self.link.session().map(drop).map_err(|error| unavailable(&error))
    }
}

/// From now until no server can accept the token any more, whatever its tolerance: also by a
/// clock of the master's that goes ahead for a while, by less than would be noticed.
fn lifetime(session: &Session, spend: &Spend<'_>, now: UnixTime) -> Duration {
    let tolerance = spend.tolerance.max(session.epoch.tolerance);
    let until = Spend { tolerance, ..*spend }.remember_until();
    // Rounded up to the millisecond.
    until.saturating_duration_since(now) + MAX_CLOCK_SKEW + Duration::from_millis(1)
}

fn unavailable(error: &RedisError) -> GuardError {
    GuardError::Unavailable(error.to_string())
}

//! The present session, and the task that opens the next.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::session::{Opener, RedisError, Session};
use crate::replay::memory::Memory;

/// How often a session is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How long to wait before connecting again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The session of the moment, or why there is none.
type Present = Result<Arc<Session>, RedisError>;

/// Keeps connected until it is dropped.
pub(super) struct Link {
    moment: Arc<Moment>,
    _task: DropGuard,
}

/// What the link's task tells everyone else. Those who wait are woken in the order of their
/// coming (a `watch` shuffles them), so that a simulation can be repeated.
struct Moment {
    present: ArcSwap<Present>,
    changed: Notify,
    /// Which Redis the present session is with, or the last one was.
    memory: watch::Sender<Memory>,
    doubt: Mutex<Doubt>,
}

/// What uses said that ended a session: one line in the log for all of them.
#[derive(Default)]
struct Doubt {
    why: Option<RedisError>,
    uses: usize,
}

impl Moment {
    fn now(&self) -> Present {
        Present::clone(&self.present.load())
    }

    fn becomes(&self, present: Present) {
        if let Some(id) = present.as_ref().ok().and_then(|session| session.id) {
            // First: whoever has an answer of this session finds its memory here.
            let memory = Memory::Shared(id);
            self.memory.send_if_modified(|known| std::mem::replace(known, memory) != memory);
        }
        self.present.store(Arc::new(present));
        self.changed.notify_waiters();
    }

    fn doubt(&self) -> MutexGuard<'_, Doubt> {
        self.doubt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Opens the first session. If Redis cannot be reached the task goes on trying.
    ///
    /// # Errors
    /// [`RedisError::Unfit`].
    pub(super) async fn start(opener: Opener) -> Result<Self, RedisError> {
        let first = opener.open(None).await;
        match &first {
            Err(error @ RedisError::Unfit(_)) => return Err(error.clone()),
            Err(error) => tracing::error!(%error, "signed requests get 503 until it can"),
            Ok(_) => {}
        }
        let nothing = Err(RedisError::Unreachable("nobody has tried yet".to_owned()));
        let moment = Arc::new(Moment {
            present: ArcSwap::from_pointee(nothing),
            changed: Notify::new(),
            memory: watch::Sender::new(Memory::Unknown),
            doubt: Mutex::default(),
        });
        moment.becomes(first.map(Arc::new));
        let stop = CancellationToken::new();
        let task = keep_connected(opener, Arc::clone(&moment));
        tokio::spawn(stop.clone().run_until_cancelled_owned(task));
        Ok(Self { moment, _task: stop.drop_guard() })
    }

    /// The present session.
    pub(super) fn session(&self) -> Present {
        self.moment.now()
    }

    /// Ends a session, for what a use over it has met, and counts the use.
    pub(super) fn doubt(&self, session: &Session, why: RedisError) {
        tracing::debug!(error = %why, "a use is in doubt");
        let mut doubt = self.moment.doubt();
        doubt.uses += 1;
        // What comes after the end is its consequence, or of a session before.
        if !session.is_over() {
            doubt.why.get_or_insert(why);
            session.end();
        }
    }

    /// Which Redis it is, once that is known.
    pub(super) fn memory(&self) -> watch::Receiver<Memory> {
        self.moment.memory.subscribe()
    }

    /// Waits for a session after this one.
    pub(super) async fn next(&self, last: &Arc<Session>) -> Arc<Session> {
        loop {
            // Before looking, so that no change is missed in between.
            let changed = self.moment.changed.notified();
            match self.session() {
                Ok(session) if !Arc::ptr_eq(&session, last) => return session,
                _ => changed.await,
            }
        }
    }
}

async fn keep_connected(opener: Opener, moment: Arc<Moment>) {
    let mut before: Option<Arc<Session>> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Ok(session) = moment.now() {
            let error = lost(&opener, &session).await;
            session.end();
            let error = moment.doubt().why.take().unwrap_or(error);
            before = Some(session);
            tracing::warn!(%error, "the session with Redis is over; opening another");
            moment.becomes(Err(error));
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let next = opener.open(before.as_deref()).await.map(Arc::new);
        match &next {
            Ok(_) => {
                let uses_in_doubt = mem::take(&mut moment.doubt().uses);
                tracing::info!(uses_in_doubt, "connected to Redis again");
            }
            // An outage is as long as it is: what was said of it is not said with each try.
            Err(error) if moment.now().err().as_ref() == Some(error) => {
                tracing::debug!(%error, "still no session with Redis");
            }
            Err(error) => tracing::warn!(%error, "no session with Redis"),
        }
        moment.becomes(next);
    }
}

/// Waits until a session is in doubt, and says why.
async fn lost(opener: &Opener, session: &Session) -> RedisError {
    loop {
        tokio::select! {
            // What happens follows from what happened before, which a simulation relies on.
            biased;
            () = session.ended() => {
                return RedisError::Unreachable("a connection was lost".to_owned());
            }
            () = tokio::time::sleep(BETWEEN_LOOKS) => {}
        }
        if let Err(error) = opener.verify(session).await {
            return error;
        }
    }
}

//! The present session, and the task that opens the next.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::session::{Opener, RedisError, Session};
use super::survey::Identity;

/// How often a session is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How long to wait before connecting again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The session of the moment, or why there is none.
type Present = Result<Arc<Session>, RedisError>;

/// Keeps connected until it is dropped.
pub(super) struct Link {
    present: watch::Receiver<Present>,
    _task: DropGuard,
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
        let (sender, present) = watch::channel(first.map(Arc::new));
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(keep_connected(opener, sender)));
        Ok(Self { present, _task: stop.drop_guard() })
    }

    /// The present session.
    pub(super) fn session(&self) -> Present {
        self.present.borrow().clone()
    }

    /// Waits for a session after this one.
    pub(super) async fn next(&self, last: &Arc<Session>) -> Present {
        let mut present = self.present.clone();
        let is_next =
            |present: &Present| present.as_ref().is_ok_and(|session| !Arc::ptr_eq(session, last));
        match present.wait_for(is_next).await {
            Ok(present) => present.clone(),
            Err(_) => Err(RedisError::Unreachable("the guard has ended".to_owned())),
        }
    }
}

async fn keep_connected(opener: Opener, present: watch::Sender<Present>) {
    let mut before: Option<Identity> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let now = present.borrow().clone();
        if let Ok(session) = now {
            before = Some(session.epoch.identity.clone());
            let error = lost(&opener, &session).await;
            session.end();
            tracing::warn!(%error, "the session with Redis is over; opening another");
            drop(present.send_replace(Err(error)));
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let next = opener.open(before.as_ref()).await.map(Arc::new);
        match &next {
            Ok(_) => tracing::info!("connected to Redis again"),
            Err(error) => tracing::warn!(%error, "no session with Redis"),
        }
        drop(present.send_replace(next));
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

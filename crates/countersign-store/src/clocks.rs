//! How far this server's clock is from those that its neighbours can ask too.
//!
//! Each server judges tokens by its own clock. Nobody can ask another server for its time, but
//! all ask the same database and the same Redis: servers that are close to that clock are
//! close to each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::StoreError;
use countersign_core::{Clock, UnixTime};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

/// How far a server's clock may be from a shared one before that is said.
///
/// A shared replay guard needs no two servers to be further apart than
/// [`NONCE_RETENTION_MARGIN`](countersign_core::ports::NONCE_RETENTION_MARGIN), so each may be
/// half of it, 5 s, from the clock between them. Less than half of that is left to drift in
/// before anybody is refused, and callers have lost a tenth of their window.
pub const CLOCK_LIMIT: Duration = Duration::from_secs(2);

/// How often clocks are compared.
const COMPARE_EVERY: Duration = Duration::from_secs(2);
/// How long that may take. A longer way says nothing about the limit.
const COMPARE_TIMEOUT: Duration = Duration::from_millis(1500);
/// For how long a comparison is shown when no other follows: a few may be missed, and nobody
/// should read a difference of which nothing is known any more.
const FRESH: Duration = Duration::from_secs(10);

/// A clock that several servers can ask.
#[async_trait]
pub trait SharedClock: Send + Sync {
    /// Whose it is, one word: `database`, `redis`.
    fn name(&self) -> &'static str;

    /// Compares this server's clock with it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn compare(&self, own: &dyn Clock) -> Result<ClockDifference, StoreError>;
}

/// How far this server's clock is from another, as well as can be said from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// By how many microseconds ours is ahead of the other; behind it if negative.
    pub ahead_micros: i64,
    /// How wrong that may be, either way: half of the time that asking took.
    pub give_or_take: Duration,
}

impl ClockDifference {
    /// Asks the other clock: it was read somewhere on the way, so in the middle of it, give or
    /// take half.
    ///
    /// # Errors
    /// Whatever keeps the other clock from being read.
    pub async fn measure<E>(
        own: &dyn Clock,
        ask: impl Future<Output = Result<UnixTime, E>>,
    ) -> Result<Self, E> {
        // The way is timed by the monotonic clock: ours may be stepped meanwhile.
        let (asked_at, began) = (own.now(), Instant::now());
        let theirs = ask.await?;
        let half = began.elapsed() / 2;
        let ours = asked_at + half;
        let ahead_micros = ours.as_micros().saturating_sub(theirs.as_micros());
        Ok(Self { ahead_micros, give_or_take: half })
    }

    /// Whether they are further apart than this, however the time on the way was spent.
    fn is_beyond(self, limit: Duration) -> bool {
        self.size() > limit + self.give_or_take
    }

    /// Whether they are no further apart than this, however the time on the way was spent.
    pub fn is_within(self, limit: Duration) -> bool {
        self.size() + self.give_or_take <= limit
    }

    fn size(self) -> Duration {
        Duration::from_micros(self.ahead_micros.unsigned_abs())
    }
}

/// Compares this server's clock with shared ones, until it is dropped.
pub struct ClockWatch {
    watched: Vec<Arc<Watched>>,
    tasks: Vec<AbortHandle>,
}

/// A shared clock, and what is known of it.
struct Watched {
    reference: Arc<dyn SharedClock>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    last: Option<(Instant, ClockDifference)>,
    /// As it was said last.
    is_apart: bool,
}

impl ClockWatch {
    /// Begins, in the current runtime.
    pub fn start(references: Vec<Arc<dyn SharedClock>>, own: &Arc<dyn Clock>) -> Self {
        let watched: Vec<_> = references
            .into_iter()
            .map(|reference| Arc::new(Watched { reference, known: Mutex::default() }))
            .collect();
        let tasks = watched.iter().map(|watched| {
            tokio::spawn(Arc::clone(watched).compare_again_and_again(Arc::clone(own)))
                .abort_handle()
        });
        Self { tasks: tasks.collect(), watched }
    }

    /// How far our clock is from each that was compared lately.
    pub fn differences(&self) -> Vec<(&'static str, ClockDifference)> {
        let fresh = self.watched.iter().filter_map(|watched| {
            let (at, difference) = watched.known().last?;
            (at.elapsed() < FRESH).then(|| (watched.reference.name(), difference))
        });
        fresh.collect()
    }

    /// What is further away than [`CLOCK_LIMIT`], for an operator.
    pub fn trouble(&self) -> Option<String> {
        let apart = self.watched.iter().filter_map(|watched| {
            let known = watched.known();
            let (at, difference) = known.last.filter(|_| known.is_apart)?;
            if at.elapsed() >= FRESH {
                return None;
            }
            Some(said(watched.reference.name(), difference))
        });
        let apart: Vec<_> = apart.collect();
        (!apart.is_empty()).then(|| apart.join("; "))
    }
}

impl Drop for ClockWatch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Watched {
    async fn compare_again_and_again(self: Arc<Self>, own: Arc<dyn Clock>) {
        loop {
            // That a database or a Redis does not answer others say, who need it.
            match timeout(COMPARE_TIMEOUT, self.reference.compare(&*own)).await {
                Ok(Ok(difference)) => self.note(difference),
                Ok(Err(error)) => {
                    tracing::debug!(reference = self.reference.name(), %error, "clocks cannot be compared");
                }
                Err(_) => {}
            }
            tokio::time::sleep(COMPARE_EVERY).await;
        }
    }

    /// Says when the clocks are too far apart and when they are not any more, once each. A
    /// comparison that leaves it open changes nothing.
    fn note(&self, difference: ClockDifference) {
        let reference = self.reference.name();
        let mut known = self.known();
        known.last = Some((Instant::now(), difference));
        if !known.is_apart && difference.is_beyond(CLOCK_LIMIT) {
            known.is_apart = true;
            let said = said(reference, difference);
            tracing::warn!(reference, "{said}: let both keep time by NTP");
        } else if known.is_apart && difference.is_within(CLOCK_LIMIT) {
            known.is_apart = false;
            tracing::info!(reference, "this server's clock is in step again");
        }
    }

    // Nothing panics while it is locked.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(reference: &str, difference: ClockDifference) -> String {
    let side = if difference.ahead_micros < 0 { "behind" } else { "ahead of" };
    let seconds = difference.size().as_secs_f64();
    format!("this server's clock is {seconds:.1} s {side} the clock of the {reference}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime::from_secs(1_800_000_000);

    struct Stands;

    impl Clock for Stands {
        fn now(&self) -> UnixTime {
            NOON
        }
    }

    fn difference(ahead_millis: i64, give_or_take: u64) -> ClockDifference {
        let give_or_take = Duration::from_millis(give_or_take);
        ClockDifference { ahead_micros: ahead_millis * 1000, give_or_take }
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_way_is_allowed_for() {
        let ask = async |theirs| {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok::<_, ()>(theirs)
        };
        let in_step = ask(NOON + Duration::from_millis(150));
        let measured = ClockDifference::measure(&Stands, in_step).await.unwrap();
        assert!(measured.ahead_micros.abs() <= 1000, "{measured:?}");
        assert!(measured.give_or_take >= Duration::from_millis(150), "{measured:?}");
        let behind = ask(NOON + Duration::from_millis(3150));
        let measured = ClockDifference::measure(&Stands, behind).await.unwrap();
        assert!((measured.ahead_micros + 3_000_000).abs() <= 1000, "{measured:?}");
    }

    struct Unasked;

    #[async_trait]
    impl SharedClock for Unasked {
        fn name(&self) -> &'static str {
            "database"
        }

        async fn compare(&self, _: &dyn Clock) -> Result<ClockDifference, StoreError> {
            Err(StoreError::Unavailable("nobody asks".to_owned()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_cannot_be_read_any_more_is_soon_not_spoken_of() {
        let watched = Arc::new(Watched { reference: Arc::new(Unasked), known: Mutex::default() });
        let watch = ClockWatch { watched: vec![Arc::clone(&watched)], tasks: Vec::new() };
        watched.note(difference(7000, 1));
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(watch.trouble().is_some() && !watch.differences().is_empty());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!((watch.trouble(), watch.differences()), (None, Vec::new()));
        watched.note(difference(7000, 1));
        assert!(watch.trouble().is_some() && !watch.differences().is_empty());
    }

    #[tokio::test]
    async fn only_what_is_certain_changes_what_is_said() {
        let watched = Arc::new(Watched { reference: Arc::new(Unasked), known: Mutex::default() });
        let watch = ClockWatch { watched: vec![Arc::clone(&watched)], tasks: Vec::new() };
        assert_eq!((watch.trouble(), watch.differences()), (None, Vec::new()));
        for (ahead, give_or_take, is_apart) in [
            (0, 1, false),
            (1999, 0, false),
            // It may as well be 1.9 s.
            (2400, 500, false),
            (-2400, 300, true),
            (-1900, 200, true),
            (-1900, 100, false),
            (i64::MAX / 1000, 0, true),
        ] {
            watched.note(difference(ahead, give_or_take));
            assert_eq!(watch.trouble().is_some(), is_apart, "{ahead} {give_or_take}");
            assert_eq!(watch.differences(), [("database", difference(ahead, give_or_take))]);
        }
        watched.note(difference(-3210, 1));
        let said = "this server's clock is 3.2 s behind the clock of the database";
        assert_eq!(watch.trouble().as_deref(), Some(said));
    }
}

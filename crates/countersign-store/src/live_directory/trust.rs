//! For how long a map that others may make untrue is believed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How long a map is believed after the look that showed it to be true. What is decided by
/// it must also have been answered within the second that is promised, so this is less.
const BELIEVED_FOR: Duration = Duration::from_millis(750);

/// What a map is believed by.
pub(super) enum Trust {
    /// No other server changes the store.
    Alone,
    /// Others do, and say so in its trail, which was last looked at a while ago.
    Following {
        /// When this began.
        since: Instant,
        /// Until when the map is believed, in microseconds after that.
        until: AtomicU64,
    },
}

impl Trust {
    /// Nothing is believed before the first look.
    pub(super) fn following() -> Self {
        Self::Following { since: Instant::now(), until: AtomicU64::new(0) }
    }

    /// Whether the map is believed at this moment. A clock is asked and not a flag: a
    /// process that was stopped for a while must not go on with what it knew before.
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Alone => true,
            Self::Following { since, until } => {
                micros(since.elapsed()) < until.load(Ordering::Acquire)
            }
        }
    }

    /// How long ago the look was that showed the map to be true; `None` if nobody else changes
    /// the store, or before the first look.
    pub(super) fn age(&self) -> Option<Duration> {
        let Self::Following { since, until } = self else { return None };
        let until = Duration::from_micros(until.load(Ordering::Acquire));
        let looked_at = until.checked_sub(BELIEVED_FOR)?;
        Some(since.elapsed().saturating_sub(looked_at))
    }

    /// All that was written before that instant is in the map.
    pub(super) fn confirm(&self, looked_at: Instant) {
        if let Self::Following { since, until } = self {
            let known = looked_at.saturating_duration_since(*since) + BELIEVED_FOR;
            until.fetch_max(micros(known), Ordering::AcqRel);
        }
    }

    /// The map is no longer true.
    pub(super) fn withdraw(&self) {
        if let Self::Following { until, .. } = self {
            until.store(0, Ordering::Release);
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

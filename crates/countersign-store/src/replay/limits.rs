//! The named limits of the replay guards.

use std::time::Duration;

use super::skew::MAX_CLOCK_SKEW;

/// How many live uses a [`ReplayWheel`](super::ReplayWheel) may hold, unless
/// configured: 2^24, which takes at most 350 MB.
const DEFAULT_CAPACITY: usize = 1 << 24;
/// The part of the capacity that one account may fill, unless configured.
const DEFAULT_SHARE_DIVISOR: usize = 16;
/// The width of a slot, unless configured.
const DEFAULT_SLOT: Duration = Duration::from_secs(5);

/// How much a [`ReplayWheel`](super::ReplayWheel) remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// The most uses held at once. At the limit further ones are refused with
    /// [`Full`](countersign_core::ports::GuardError::Full): a live use is never
    /// forgotten to make room. At most 2^31 are ever held, whatever this says.
    pub capacity: usize,
    /// The most uses held of one account. Beyond it that account, and only that
    /// one, is refused with
    /// [`ShareUsedUp`](countersign_core::ports::GuardError::ShareUsedUp).
    ///
    /// Uses are counted per account in constant memory, by a sketch that may
    /// overestimate (by 1/512 of all live uses where the other accounts are
    /// evenly busy) and never underestimates. Uses read back from a journal
    /// count towards the capacity only.
    pub share: usize,
    /// How much of the time line one slot covers. Uses are forgotten a slot at
    /// a time, so this is also how much longer than necessary they may be held.
    ///
    /// A slot costs 18 KiB besides its uses, and a tolerance of `t` keeps about
    /// `(2 * t + 10 s) / slot` of them, so tolerances of many minutes want
    /// wider slots. At least a millisecond.
    pub slot: Duration,
}

impl ReplayLimits {
    /// The default limits, scaled to this capacity.
    pub fn with_capacity(capacity: usize) -> Self {
        let share = (capacity / DEFAULT_SHARE_DIVISOR).max(1);
        Self { capacity, share, slot: DEFAULT_SLOT }
    }
}

impl Default for ReplayLimits {
    fn default() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }
}

/// How a [`DurableReplayGuard`](super::DurableReplayGuard) treats its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// The most uses that wait for the journal at once. Beyond it tokens are
    /// refused as
    /// [`Unavailable`](countersign_core::ports::GuardError::Unavailable),
    /// unspent. At least one.
    pub queue: usize,
    /// The most uses written in one commit. At least one.
    pub batch: usize,
    /// The longest a commit may take before its uses are refused as
    /// [`Unavailable`](countersign_core::ports::GuardError::Unavailable). A use
    /// waits at most for the commit at work and then for those that the queue
    /// before it fills.
    pub commit: Duration,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self { queue: 8192, batch: 8192, commit: Duration::from_secs(2) }
    }
}

/// The widest tolerance that uses come with at a server that shares its guard with others.
///
/// All of them remember each use for the tolerance that their memory was told, so none may
/// accept tokens for longer than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedTolerance {
    /// At most that of the others. A memory without one is told this.
    Agreed(Duration),
    /// The memory is told this one instead of what it was told before, once, and begins anew.
    /// Servers with a wider one have nothing accepted from then on.
    Changed(Duration),
}

impl From<Duration> for SharedTolerance {
    fn from(tolerance: Duration) -> Self {
        Self::Agreed(tolerance)
    }
}

#[cfg(any(feature = "redis", feature = "sql"))]
impl SharedTolerance {
    pub(super) fn width(self) -> Duration {
        match self {
            Self::Agreed(width) | Self::Changed(width) => width,
        }
    }

    /// The same, once the memory was told.
    pub(super) fn agreed(self) -> Self {
        Self::Agreed(self.width())
    }

    /// Whether the memory must be told, having been told `present`.
    pub(super) fn changes(self, present: Duration) -> bool {
        matches!(self, Self::Changed(width) if width != present)
    }

    /// Refuses a memory that forgets too early.
    pub(super) fn judge(self, present: Duration) -> Result<(), String> {
        let width = self.width();
        if width <= present {
            return Ok(());
        }
        Err(format!(
            "this server's tolerance is {width:?}, and the servers that share the replay guard \
             remember uses for one of {present:?}: give all of them the same, or start one with \
             `change_tolerance`"
        ))
    }
}

/// How a guard whose memory several servers share waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedLimits {
    /// The longest that one use waits for its answer before it is refused as
    /// [`Unavailable`](countersign_core::ports::GuardError::Unavailable).
    pub answer: Duration,
    /// The longest that it may take to connect.
    pub connect: Duration,
    /// The most uses that wait at once. Beyond it tokens are refused as
    /// [`Unavailable`](countersign_core::ports::GuardError::Unavailable), unspent. At least
    /// one.
    pub waiting: usize,
    /// How far this server's clock may be from the storage's before uses are refused as
    /// [`Unavailable`](countersign_core::ports::GuardError::Unavailable). A wider one than
    /// [`MAX_CLOCK_SKEW`] is for tests, whose clocks stand.
    pub skew: Duration,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(1),
            connect: Duration::from_secs(2),
            waiting: 8192,
            skew: MAX_CLOCK_SKEW,
        }
    }
}

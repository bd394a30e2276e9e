//! What is refused for a while because it may have been used and forgotten.

use std::time::Duration;

use countersign_core::UnixTime;
use countersign_core::ports::{GuardError, Spend};

/// Refuses every use that may have been accepted before `since` by a memory that is gone,
/// which took tokens of times up to `reach` ahead of it: their tolerance, and by how much
/// clocks may have been ahead of the one that `since` was read from.
///
/// A token is of the last instant that it may have taken or of one before. Until that has
/// passed, nobody can say whether such a token was used: that is an outage and no refusal.
/// Callers whose clocks are right wait for as long as the tolerance.
pub(super) fn judge(
    spend: &Spend<'_>,
    (since, reach): (UnixTime, Duration),
    now: UnixTime,
) -> Result<(), Held> {
    let remembered_from = since + reach;
    if spend.time > remembered_from {
        Ok(())
    } else if now > remembered_from + spend.tolerance {
        Err(Held::OutsideWindow)
    } else {
        Err(Held::MayHaveBeenUsed)
    }
}

/// Why a use is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The token's time has left the window meanwhile.
    OutsideWindow,
    /// It may have been used before.
    MayHaveBeenUsed,
}

impl Held {
    /// The guard's answer, with the reason for an outage.
    pub(super) fn because(self, reason: &str) -> GuardError {
        match self {
            Self::OutsideWindow => GuardError::OutsideWindow,
            Self::MayHaveBeenUsed => GuardError::MayHaveBeenUsed(reason.to_owned()),
        }
    }
}

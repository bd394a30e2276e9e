//! Since when the database has remembered every use, and which bucket a use falls into.

use std::time::Duration;

use countersign_core::UnixTime;
use countersign_core::ports::{GuardError, NONCE_RETENTION_MARGIN, Spend};

use crate::replay::hold;

/// How many buckets there are: tables `countersign_nonces_0` and so on.
pub(super) const BUCKETS: i64 = 8;
/// For how much time a bucket is at least.
const NARROWEST: Duration = Duration::from_secs(15);
/// Live uses are in at most so many buckets, one of them just begun. The others are what
/// servers' clocks may differ by.
const LIVE: u32 = 5;

/// What the row of `countersign_nonce_epoch` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch {
    pub(super) number: i64,
    pub(super) since: UnixTime,
    pub(super) tolerance: Duration,
}

/// A bucket, and from when on it is for the times of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bucket {
    pub(super) starts_at: i64,
    pub(super) number: usize,
}

impl Epoch {
    /// Refuses what may have been accepted and forgotten.
    pub(super) fn judge(&self, spend: &Spend<'_>, now: UnixTime) -> Result<(), GuardError> {
        let reach = self.tolerance + NONCE_RETENTION_MARGIN;
        hold::judge(spend, (self.since, reach), now).map_err(|held| {
            held.because("the database may have forgotten the token: it has failed over or is new")
        })
    }

    /// The bucket for tokens of this time, the same for all servers of the epoch.
    pub(super) fn bucket(&self, time: UnixTime) -> Bucket {
        let live = 2 * self.tolerance + NONCE_RETENTION_MARGIN;
        let width = (live / LIVE).max(NARROWEST).as_micros();
        let width = i64::try_from(width).unwrap_or(i64::MAX);
        let index = time.as_micros().div_euclid(width);
        // Unwrap safety: from 0 to 7.
        let number = usize::try_from(index.rem_euclid(BUCKETS)).expect("a small number");
        Bucket { starts_at: index.saturating_mul(width), number }
    }
}

impl Bucket {
    /// Its number in the database.
    pub(super) fn sql_number(self) -> i16 {
        // Unwrap safety: from 0 to 7.
        i16::try_from(self.number).expect("a small number")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// Whenever a bucket's turn comes again, what it held can be accepted no more, also by a
    /// server whose clock is a few seconds behind.
    #[test]
    fn a_bucket_is_emptied_only_of_what_has_expired() {
        for seconds in [1, 20, 60, 3600] {
            let tolerance = Duration::from_secs(seconds);
            let epoch = Epoch { number: 1, since: NOON, tolerance };
            let skew = tolerance.min(Duration::from_secs(5));
            for step in 0..2000 {
                let now = NOON + step * tolerance / 50;
                // The earliest that empties the bucket is a token as far ahead as may be.
                let newest = epoch.bucket(now + tolerance + skew);
                let oldest = epoch.bucket(now - tolerance - NONCE_RETENTION_MARGIN);
                assert!(oldest.starts_at <= newest.starts_at);
                let same = oldest.number == newest.number;
                assert!(!same || oldest == newest, "{tolerance:?} at {now}");
            }
        }
    }

    #[test]
    fn neighbours_in_time_share_a_bucket() {
        let epoch = Epoch { number: 1, since: NOON, tolerance: Duration::from_secs(20) };
        let first = epoch.bucket(NOON);
        assert_eq!(epoch.bucket(NOON + NARROWEST - Duration::from_micros(1)), first);
        assert_eq!(epoch.bucket(NOON + NARROWEST).number, (first.number + 1) % 8);
    }
}

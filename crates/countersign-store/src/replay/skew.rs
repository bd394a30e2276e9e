//! How far a server's clock may be from that of the engine that servers share.
//!
//! `docs/replay-guards.md` has the arithmetic that rests on it.

use std::time::Duration;

#[cfg(any(feature = "redis", feature = "sql"))]
use countersign_core::UnixTime;
use countersign_core::ports::NONCE_RETENTION_MARGIN;

/// The widest difference between a server's clock and the engine's. Beyond it a server takes
/// no signed requests.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5);

// Two servers, one ahead of the engine and one behind it.
const _: () = assert!(2 * MAX_CLOCK_SKEW.as_secs() <= NONCE_RETENTION_MARGIN.as_secs());

/// Refuses a clock that may be further from the engine's than that. The engine told its own
/// at some time between the two instants of the server's.
#[cfg(any(feature = "redis", feature = "sql"))]
pub(super) fn judge(
    engine: UnixTime,
    (asked, answered): (UnixTime, UnixTime),
    limit: Duration,
) -> Result<(), String> {
    let (ahead, behind) = (since(answered, engine), since(engine, asked));
    if ahead <= limit && behind <= limit {
        return Ok(());
    }
    let (span, side) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    Err(format!(
        "this server's clock is {span:.1?} {side} the engine's, expected at most {limit:?}: set \
         the one that is wrong"
    ))
}

#[cfg(any(feature = "redis", feature = "sql"))]
fn since(later: UnixTime, earlier: UnixTime) -> Duration {
    later.saturating_duration_since(earlier)
}

#[cfg(all(test, any(feature = "redis", feature = "sql")))]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime::from_secs(1_800_000_000);

    #[test]
    fn what_an_answer_leaves_open_is_held_against_the_clock() {
        let judge = |engine, asked, answered| {
            let at = |millis| NOON + Duration::from_millis(millis);
            judge(at(engine), (at(asked), at(answered)), MAX_CLOCK_SKEW).map_err(|said| {
                said.split("clock is ")
                    .nth(1)
                    .and_then(|said| said.split(" the").next())
                    .map(str::to_owned)
            })
        };
        assert_eq!(judge(5_000, 0, 5_000), Ok(()));
        assert_eq!(judge(10_000, 5_000, 15_000), Ok(()));
        assert_eq!(judge(10_000, 4_999, 5_100), Err(Some("5.0s behind".to_owned())));
        assert_eq!(judge(10_000, 15_500, 15_600), Err(Some("5.6s ahead of".to_owned())));
        assert_eq!(judge(10_000, 9_000, 16_000), Err(Some("6.0s ahead of".to_owned())));
    }
}

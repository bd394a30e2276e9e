//! Instants between the core's microseconds and RFC 3339.

use countersign_core::UnixTime;
use jiff::Timestamp;

/// The instant as it stands in JSON; what RFC 3339 cannot express (before the
/// year -9999 or after 9999) becomes the nearest instant that it can.
pub fn to_timestamp(instant: UnixTime) -> Timestamp {
    let limit = if instant.as_micros() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(instant.as_micros()).unwrap_or(limit)
}

/// The instant in whole microseconds; anything finer is cut off.
pub fn to_unix_time(instant: Timestamp) -> UnixTime {
    UnixTime::from_micros(instant.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_go_both_ways_and_saturate() {
        let instant = UnixTime::from_micros(1_800_000_000_123_456);
        assert_eq!(to_timestamp(instant).to_string(), "2027-01-15T08:00:00.123456Z");
        assert_eq!(to_unix_time(to_timestamp(instant)), instant);
        assert_eq!(to_timestamp(UnixTime::from_micros(i64::MAX)), Timestamp::MAX);
        assert_eq!(to_timestamp(UnixTime::from_micros(i64::MIN)), Timestamp::MIN);
    }
}

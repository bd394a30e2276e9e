//! JSON numbers by value, exactly: `2^53 + 1` is not `2^53`.

use std::cmp::Ordering;
use std::fmt;

use smallvec::SmallVec;

/// The longest number, in bytes of text.
const MAX_NUMBER_BYTES: usize = 64;
/// The largest power of ten that a number is written with, either way.
const MAX_EXPONENT: u32 = 10_000;

/// A JSON number by value: `0.d1d2d3... * 10^exponent`, with neither leading
/// nor trailing zero digits. `1`, `1.0` and `10e-1` are one value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: SmallVec<[u8; 24]>,
    exponent: i32,
}

impl Decimal {
    /// Reads the text of a JSON number, which the JSON parser has checked
    /// already; `None` for another type or an excessively long number.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let first = *text.as_bytes().first()?;
        if text.len() > MAX_NUMBER_BYTES || !(first == b'-' || first.is_ascii_digit()) {
            return None;
        }
        let negative = first == b'-';
        let text = &text.as_bytes()[usize::from(negative)..];
        let (text, power) = split_at_byte(text, |byte| matches!(byte, b'e' | b'E'));
        // An exponent that does not fit is far outside of what any claim may hold.
        let power: i32 = match power {
            [] => 0,
            digits => std::str::from_utf8(digits).ok()?.parse().ok()?,
        };
        if power.unsigned_abs() > MAX_EXPONENT {
            return None;
        }
        let (whole, fraction) = split_at_byte(text, |byte| byte == b'.');
        let mut digits = SmallVec::from_slice(whole);
        digits.extend_from_slice(fraction);
        let kept = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        digits.truncate(kept);
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..leading);
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        let exponent = i32::try_from(whole.len()).ok()? - i32::try_from(leading).ok()? + power;
        Some(Self { negative, digits, exponent })
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    /// The same bytes for the same value: the digits between sign and exponent.
    pub(crate) fn canonical(&self) -> SmallVec<[u8; 40]> {
        let mut bytes = SmallVec::from_slice(&[u8::from(self.negative)]);
        bytes.extend_from_slice(&self.digits);
        bytes.extend_from_slice(&self.exponent.to_be_bytes());
        bytes
    }

    /// The greatest whole number of microseconds that is not greater than this
    /// many seconds, and whether it is equal; `None` outside of +-10^12 seconds.
    pub(crate) fn floor_micros(&self) -> Option<(i64, bool)> {
        if self.exponent > 12 {
            return None;
        }
        // How many digits stand before the end of the microseconds.
        let places = usize::try_from(self.exponent + 6).unwrap_or(0);
        let kept = &self.digits[..places.min(self.digits.len())];
        let exact = kept.len() == self.digits.len();
        let missing = u32::try_from(places - kept.len()).ok()?;
        let number = kept.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        let magnitude = if number == 0 { 0 } else { number * 10_i64.pow(missing) };
        match (self.negative, exact) {
            (false, _) => Some((magnitude, exact)),
            (true, true) => Some((-magnitude, true)),
            (true, false) => Some((-magnitude - 1, false)),
        }
    }

    /// Compares this many seconds with a whole number of microseconds.
    pub(crate) fn cmp_micros(&self, micros: i64) -> Ordering {
        match self.floor_micros() {
            None if self.negative => Ordering::Less,
            None => Ordering::Greater,
            Some((floor, true)) => floor.cmp(&micros),
            Some((floor, false)) if floor >= micros => Ordering::Greater,
            Some(_) => Ordering::Less,
        }
    }
}

/// What stands before and behind the first such byte; all and nothing without one.
fn split_at_byte(text: &[u8], is_it: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| is_it(*byte)) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}0.{}e{}", String::from_utf8_lossy(&self.digits), self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::read(text).unwrap()
    }

    #[test]
    fn numbers_are_compared_by_value() {
        for (a, b) in
            [("1", "1.0"), ("10e-1", "1"), ("1795385494e0", "1795385494"), ("0.50", "5E-1")]
        {
            assert_eq!(decimal(a), decimal(b), "{a} and {b}");
            assert_eq!(decimal(a).canonical(), decimal(b).canonical());
        }
        assert_ne!(decimal("9007199254740993"), decimal("9007199254740992"));
        assert_ne!(decimal("1"), decimal("-1"));
        assert_eq!(decimal("-0.0"), decimal("0"));
    }

    #[test]
    fn microseconds_round_down_and_say_so() {
        assert_eq!(decimal("1.5").floor_micros(), Some((1_500_000, true)));
        assert_eq!(decimal("0.0000015").floor_micros(), Some((1, false)));
        assert_eq!(decimal("-0.0000015").floor_micros(), Some((-2, false)));
        assert_eq!(decimal("1e-9").floor_micros(), Some((0, false)));
        assert_eq!(decimal("1e13").floor_micros(), None);
        assert_eq!(decimal("0").floor_micros(), Some((0, true)));
    }

    #[test]
    fn comparison_sees_what_rounding_hides() {
        assert_eq!(decimal("1.0000001").cmp_micros(1_000_000), Ordering::Greater);
        assert_eq!(decimal("0.9999999").cmp_micros(1_000_000), Ordering::Less);
        assert_eq!(decimal("1").cmp_micros(1_000_000), Ordering::Equal);
        assert_eq!(decimal("1e300").cmp_micros(i64::MAX), Ordering::Greater);
        assert_eq!(decimal("-1e300").cmp_micros(i64::MIN), Ordering::Less);
    }

    #[test]
    fn long_numbers_and_other_types_are_no_numbers() {
        assert_eq!(Decimal::read(&"9".repeat(65)), None);
        assert_eq!(Decimal::read("1e99999999999"), None);
        for other in ["true", "null", "\"1\"", "[1]", "{}"] {
            assert_eq!(Decimal::read(other), None, "{other}");
        }
    }
}

//! A strict reading of one flat JSON object.
//!
//! Duplicate members, which two parsers may read differently (RFC 8259 section
//! 4), are refused, and numbers are kept as text so that they can be compared
//! by value: `2^53 + 1` is not `2^53`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

/// The most members an object may have.
const MAX_MEMBERS: usize = 64;
/// The longest number, in bytes of text.
const MAX_NUMBER_BYTES: usize = 64;

/// The members of a JSON object, each name once.
pub(crate) struct Members<'a>(SmallVec<[(Cow<'a, str>, &'a RawValue); 4]>);

/// A member has another type than it must have, or cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongType;

impl<'a> Members<'a> {
    /// Reads an object; `None` if the text is anything else.
    pub(crate) fn read(json: &'a [u8]) -> Option<Self> {
        serde_json::from_str(std::str::from_utf8(json).ok()?).ok()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// The text of a string member.
    pub(crate) fn string(&self, name: &str) -> Result<Option<Cow<'a, str>>, WrongType> {
        self.raw(name).map(read_string).transpose()
    }

    /// The value of a number member.
    pub(crate) fn number(&self, name: &str) -> Result<Option<Decimal>, WrongType> {
        self.raw(name).map(|text| Decimal::read(text).ok_or(WrongType)).transpose()
    }

    /// The texts of a member that is a string or an array of strings.
    pub(crate) fn strings(&self, name: &str) -> Result<Option<Vec<String>>, WrongType> {
        let Some(text) = self.raw(name) else { return Ok(None) };
        if text.starts_with('"') {
            return Ok(Some(vec![read_string(text)?.into_owned()]));
        }
        serde_json::from_str(text).map(Some).map_err(|_| WrongType)
    }

    /// The JSON text of a member.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.get())
    }
}

fn read_string(text: &str) -> Result<Cow<'_, str>, WrongType> {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        // A lone surrogate is refused here.
        Some(_) => serde_json::from_str(text).map(Cow::Owned).map_err(|_| WrongType),
        None => Err(WrongType),
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object without duplicate members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members(SmallVec::new());
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            if members.contains(&name) {
                return Err(serde::de::Error::custom("duplicate member"));
            }
            if members.0.len() == MAX_MEMBERS {
                return Err(serde::de::Error::custom("too many members"));
            }
            members.0.push((name, value));
        }
        Ok(members)
    }
}

/// A member name, borrowed from the text unless it has escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

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
        let mut digits: SmallVec<[u8; 24]> = SmallVec::new();
        // Where the decimal point stands, counted from the first digit kept.
        let mut point: i32 = 0;
        let mut in_fraction = false;
        let mut power = 0;
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'-' => {}
                b'.' => in_fraction = true,
                // An exponent that does not fit is far outside of what any claim may hold.
                b'e' | b'E' => {
                    power = text[at + 1..].parse::<i32>().ok()?;
                    break;
                }
                b'0' if digits.is_empty() => point -= i32::from(in_fraction),
                digit => {
                    digits.push(digit);
                    point += i32::from(!in_fraction);
                }
            }
        }
        if power.unsigned_abs() > 10_000 {
            return None;
        }
        let exponent = point + power;
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        Some(Self { negative, digits, exponent })
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    /// One text for one value.
    pub(crate) fn canonical(&self) -> String {
        let digits: String = self.digits.iter().map(|digit| char::from(*digit)).collect();
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}.{digits}e{}", self.exponent)
    }

    /// The greatest whole number of microseconds that is not greater than this
    /// many seconds, and whether it is equal; `None` outside of +-10^12 seconds.
    pub(crate) fn floor_micros(&self) -> Option<(i64, bool)> {
        if self.exponent > 12 {
            return None;
        }
        let places = self.exponent + 6;
        let mut magnitude: i64 = 0;
        for position in 0..places {
            let digit = usize::try_from(position).ok().and_then(|at| self.digits.get(at));
            magnitude = magnitude * 10 + i64::from(digit.map_or(0, |digit| digit - b'0'));
        }
        let exact =
            i32::try_from(self.digits.len()).is_ok_and(|length| length <= places) || self.is_zero();
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

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
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

    #[test]
    fn duplicate_members_are_refused_even_when_escaped() {
        assert!(Members::read(br#"{"a":1,"b":2}"#).is_some());
        assert!(Members::read(br#"{"a":1,"a":1}"#).is_none());
        assert!(Members::read(br#"{"a":1,"\u0061":1}"#).is_none());
        assert!(Members::read(br#"{"a":1} "#).is_some());
        assert!(Members::read(br#"{"a":1}x"#).is_none());
        assert!(Members::read(b"[1]").is_none());
        assert!(Members::read(b"{\"a\":\"\xff\"}").is_none());
    }

    #[test]
    fn lone_surrogates_are_no_text() {
        let members = Members::read(br#"{"a":"\ud800","b":"\ud83d\ude00"}"#).unwrap();
        assert_eq!(members.string("a"), Err(WrongType));
        assert_eq!(members.string("b"), Ok(Some("😀".into())));
    }
}

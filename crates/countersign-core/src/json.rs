//! A strict reading of one flat JSON object.
//!
//! Duplicate members, which two parsers may read differently (RFC 8259 section
//! 4), are refused, and values are kept as text until it is known what they must be.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::decimal::Decimal;

/// The most members an object may have.
const MAX_MEMBERS: usize = 64;

/// The members of these names, in their order, out of a JSON object in which
/// every member stands once; `None` if the text is anything else.
pub(crate) fn pick<'a, const N: usize>(
    json: &'a [u8],
    names: &[&str; N],
) -> Option<[Option<Value<'a>>; N]> {
    let mut object = Object::new();
    object.fill(json, names)?;
    Some(object.picked)
}

/// All members of a JSON object, each name once.
pub(crate) struct Members<'a>(List<'a>);

/// In place for as many members as tokens usually have.
type List<'a> = SmallVec<[(Cow<'a, str>, Value<'a>); 8]>;

impl<'a> Members<'a> {
    /// Reads an object; `None` if the text is anything else.
    pub(crate) fn read(json: &'a [u8]) -> Option<Self> {
        let mut object = Object::new();
        object.fill(json, &[])?;
        Some(Self(object.others))
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The text of a string member.
    pub(crate) fn string(&self, name: &str) -> Result<Option<Cow<'a, str>>, WrongType> {
        self.value(name).map(Value::string).transpose()
    }

    /// The texts of a member that is a string or an array of strings.
    pub(crate) fn strings(&self, name: &str) -> Result<Option<Vec<String>>, WrongType> {
        self.value(name).map(Value::strings).transpose()
    }

    /// A member.
    pub(crate) fn value(&self, name: &str) -> Option<Value<'a>> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
    }
}

/// A value as the text it was written with.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a>(&'a str);

/// A member has another type than it must have, or cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongType;

impl<'a> Value<'a> {
    /// The JSON text.
    pub(crate) fn text(self) -> &'a str {
        self.0
    }

    /// The text of a string.
    pub(crate) fn string(self) -> Result<Cow<'a, str>, WrongType> {
        match self.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(plain) if memchr::memchr(b'\\', plain.as_bytes()).is_none() => {
                Ok(Cow::Borrowed(plain))
            }
            // A lone surrogate is refused here.
            Some(_) => serde_json::from_str(self.0).map(Cow::Owned).map_err(|_| WrongType),
            None => Err(WrongType),
        }
    }

    /// The value of a number.
    pub(crate) fn number(self) -> Result<Decimal, WrongType> {
        Decimal::read(self.0).ok_or(WrongType)
    }

    /// The texts of a string or an array of strings.
    pub(crate) fn strings(self) -> Result<Vec<String>, WrongType> {
        if self.0.starts_with('"') {
            return Ok(vec![self.string()?.into_owned()]);
        }
        serde_json::from_str(self.0).map_err(|_| WrongType)
    }
}

/// An object read in one pass and in place: members that were asked for, and
/// the others.
struct Object<'a, const N: usize> {
    picked: [Option<Value<'a>>; N],
    others: List<'a>,
}

impl<'a, const N: usize> Object<'a, N> {
    fn new() -> Self {
        Self { picked: [None; N], others: SmallVec::new() }
    }

    fn fill(&mut self, json: &'a [u8], names: &[&str; N]) -> Option<()> {
        let text = std::str::from_utf8(json).ok()?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer.deserialize_map(ObjectVisitor { names, object: self }).ok()?;
        deserializer.end().ok()
    }

    /// Takes a member; `false` if there is one of that name already.
    fn take(&mut self, names: &[&str; N], name: Cow<'a, str>, value: Value<'a>) -> bool {
        if let Some(place) = names.iter().position(|known| *known == name) {
            return self.picked[place].replace(value).is_none();
        }
        let is_new = self.others.iter().all(|(known, _)| *known != name);
        self.others.push((name, value));
        is_new
    }
}

struct ObjectVisitor<'o, 'a, const N: usize> {
    names: &'o [&'o str; N],
    object: &'o mut Object<'a, N>,
}

impl<'de, const N: usize> Visitor<'de> for ObjectVisitor<'_, 'de, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object without duplicate members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = 0;
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            members += 1;
            if members > MAX_MEMBERS {
                return Err(serde::de::Error::custom("too many members"));
            }
            if !self.object.take(self.names, name, Value(value.get())) {
                return Err(serde::de::Error::custom("duplicate member"));
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn members_are_picked_by_name_and_stand_once() {
        let json = br#"{"b":[1], "other":null, "\u0061":"x"}"#;
        let [a, b, c] = pick(json, &["a", "b", "c"]).unwrap();
        assert_eq!(a.unwrap().string(), Ok("x".into()));
        assert_eq!(b.unwrap().string(), Err(WrongType));
        assert_eq!(b.unwrap().text(), "[1]");
        assert!(c.is_none());
        for twice in [r#"{"a":1,"\u0061":1}"#, r#"{"x":1,"x":1}"#] {
            assert!(pick(twice.as_bytes(), &["a"]).is_none(), "{twice}");
        }
        let many = |count: usize| {
            let members: Vec<_> = (0..count).map(|number| format!("\"{number}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(pick(many(MAX_MEMBERS).as_bytes(), &["1", "2"]).is_some());
        assert!(pick(many(MAX_MEMBERS + 1).as_bytes(), &["1", "2"]).is_none());
    }
}

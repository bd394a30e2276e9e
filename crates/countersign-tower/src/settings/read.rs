//! Values of settings: lists, names and durations.

use std::fmt;
use std::time::Duration;

use countersign_core::TokenAlgorithm;
use countersign_core::header::Spelling;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize as _, Deserializer};

use super::SettingsError;
use url::Url;

/// A setting that is there and says nothing would mean the same as none, which for some
/// is a check that nobody misses.
fn not_empty<E: serde::de::Error>(names: Vec<String>) -> Result<Vec<String>, E> {
    if names.is_empty() {
        return Err(E::custom("the list is empty: leave the setting out, or name something"));
    }
    Ok(names)
}

/// A list of names, or one text with commas between them.
pub(super) fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of names, or names with commas between them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            not_empty(names.map(str::to_owned).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(name) = names.next_element()? {
                list.push(name);
            }
            not_empty(list)
        }
    }

    deserializer.deserialize_any(Names)
}

/// A URL that holds no secret, which settings would show.
pub(super) fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let url = Option::<Url>::deserialize(deserializer)?;
    let has_secret = |url: &Url| !url.username().is_empty() || url.password().is_some();
    if url.as_ref().is_some_and(has_secret) {
        return Err(serde::de::Error::custom("write the URL without a user and a password"));
    }
    Ok(url)
}

/// The algorithms of these names.
pub(super) fn algorithms(names: &[String]) -> Result<Vec<TokenAlgorithm>, SettingsError> {
    let read = |name: &String| {
        TokenAlgorithm::from_name(name).ok_or_else(|| SettingsError::Algorithm(name.clone()))
    };
    names.iter().map(read).collect()
}

/// The spellings of these names.
pub(super) fn spellings(names: &[String]) -> Result<Vec<Spelling>, SettingsError> {
    let read = |name: &String| match name.as_str() {
        "bare" => Ok(Spelling::Bare),
        "parameter" => Ok(Spelling::Parameter),
        "quoted" => Ok(Spelling::Quoted),
        _ => Err(SettingsError::Spelling(name.clone())),
    };
    names.iter().map(read).collect()
}

/// A duration with its unit.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct WithUnit;

    impl Visitor<'_> for WithUnit {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration with a unit, such as \"10s\"")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            humantime::parse_duration(text).map_err(|error| {
                E::custom(format_args!("`{text}` is no duration such as \"10s\": {error}"))
            })
        }
    }

    deserializer.deserialize_str(WithUnit)
}

//! Values of settings: lists, names and durations.

use std::fmt;
use std::time::Duration;

use countersign_core::TokenAlgorithm;
use countersign_core::header::Spelling;
use serde::Deserializer;
use serde::de::{SeqAccess, Visitor};

use super::SettingsError;

/// A list of names, or one text with commas between them.
pub(super) fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of names, or names with commas between them")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            Ok(names.map(str::to_owned).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(name) = names.next_element()? {
                list.push(name);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_any(Names)
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

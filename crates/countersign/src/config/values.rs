//! The values of settings that have a form of their own, read the same way from
//! the command line, the environment and the settings file.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Deserializer, de};

/// A span of time with its unit: `20s`, `1m 30s`, `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self).map_err(|_| {
            format!("`{text}` is no span of time, expected a number with a unit such as `20s`, `5m` or `90d`")
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A bare number is refused by its type: seconds or milliseconds?
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Which replay guard remembers the spent nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReplayGuardKind {
    /// Remembers in a file of this server's, across a restart, even after `kill -9`.
    Durable,
    /// Forgets at a restart: a token may then be used once more inside its window.
    Memory,
    /// Remembers in the database; in PostgreSQL for all servers that share it.
    Database,
    /// Remembers in Redis, for all servers that share it.
    Redis,
}

/// Where API keys can be registered without anybody's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Registration {
    /// Nowhere: operators make keys.
    Off,
    /// On the internal listener.
    Internal,
    /// Also on the public one: whoever reaches it can register keys.
    Public,
}

/// When SQLite waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Synchronous {
    /// Survives the death of the process.
    Normal,
    /// Survives the loss of power too, at a quarter of the speed.
    Full,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What needs an operator now.
    Error,
    /// What an operator should look at.
    Warn,
    /// What happened.
    Info,
    /// Why it happened.
    Debug,
    /// Everything.
    Trace,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_unit() {
        assert_eq!("20s".parse(), Ok(Span(Duration::from_secs(20))));
        assert_eq!("1m 30s".parse(), Ok(Span(Duration::from_secs(90))));
        assert_eq!("90d".parse(), Ok(Span(Duration::from_hours(90 * 24))));
        for text in ["", "20", "soon", "-1s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}

//! Which hosts a rule is about.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// A host, `books.example`, or all below a name, `*.books.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// In small letters.
    name: String,
    /// Whether hosts below it are meant instead of itself.
    below: bool,
}

/// What is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no host: write a name or an address without a port, or `*.` before a name")]
pub struct HostPatternError;

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`HostPatternError`] if it is none.
    pub fn read(pattern: &str) -> Result<Self, HostPatternError> {
        let (name, below) = match pattern.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (pattern, false),
        };
        // A port, or what else is no part of a name, would never fit.
        match host_name(name) {
            Some(read) if read.eq_ignore_ascii_case(name) => Ok(Self { name: read, below }),
            _ => Err(HostPatternError),
        }
    }

    /// Whether a [host name](host_name) is meant.
    pub fn fits(&self, host: &str) -> bool {
        if !self.below {
            return host == self.name;
        }
        let before = host.strip_suffix(&self.name).and_then(|before| before.strip_suffix('.'));
        before.is_some_and(|before| !before.is_empty())
    }
}

/// The name in a `Host` header (RFC 9110 section 7.2), in small letters, without the port and
/// the dot that may end it; `None` if it is none.
pub fn host_name(host: &str) -> Option<String> {
    let authority: http::uri::Authority = host.parse().ok()?;
    if host.contains('@') {
        return None;
    }
    let name = authority.host();
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_name = !name.is_empty() && !name.contains(['*', '%']);
    is_name.then(|| name.to_ascii_lowercase())
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).map_err(|error| de::Error::custom(format_args!("\"{text}\": {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_whatever_their_case_and_port() {
        for (host, expected) in [
            ("Books.Example", Some("books.example")),
            ("books.example:8443", Some("books.example")),
            ("books.example.", Some("books.example")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:80", Some("[::1]")),
            ("user@books.example", None),
            ("books.example/path", None),
            ("", None),
            (":80", None),
            ("*.example", None),
        ] {
            assert_eq!(host_name(host).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn patterns_fit_whole_labels() {
        let one = HostPattern::read("Books.example").unwrap();
        assert!(one.fits("books.example") && !one.fits("a.books.example"));
        let below = HostPattern::read("*.example").unwrap();
        assert!(below.fits("books.example") && below.fits("a.books.example"));
        assert!(!below.fits("example") && !below.fits("badexample") && !below.fits(".example"));
        for bad in ["a.example:80", "*", "*.", "a*.example", "http://a", "a@b"] {
            assert_eq!(HostPattern::read(bad), Err(HostPatternError), "{bad}");
        }
    }
}

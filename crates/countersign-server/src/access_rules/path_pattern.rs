//! Which paths a rule is about.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::request_path::{AmbiguousPath, RequestPath};

/// Paths, written like one: `/books/*/pages/**`.
///
/// `*` is one segment that is not empty, `**` at the end any further ones, also none.
/// Everything else stands for itself, as the service reads it: decoded, in this case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
    /// Whether any segments may follow.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    This(String),
    Any,
}

/// What is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathPatternError {
    /// `**` within.
    #[error("`**` can only be the last segment")]
    OpenWithin,
    /// `*` beside other characters.
    #[error("`*` and `**` must stand alone between slashes")]
    Partial,
    /// `%`, `?`.
    #[error("write the path without percent-encoding and query")]
    Encoded,
    /// No path that a rule could fit is written so.
    #[error("{0}: no request with such a path is let through")]
    Path(AmbiguousPath),
    /// Something else than a path.
    #[error("a path must begin with `/`")]
    NotAbsolute,
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PathPatternError`] says what is wrong with it.
    pub fn read(pattern: &str) -> Result<Self, PathPatternError> {
        if pattern.contains(['%', '?']) {
            return Err(PathPatternError::Encoded);
        }
        let path = RequestPath::read(pattern).map_err(|error| match error {
            AmbiguousPath::NotAbsolute => PathPatternError::NotAbsolute,
            other => PathPatternError::Path(other),
        })?;
        let written = path.segments();
        let (last, before) = written.split_last().ok_or(PathPatternError::NotAbsolute)?;
        let open = last == "**";
        let written = if open { before } else { written };
        let segments = written.iter().map(|segment| match segment.as_str() {
            "*" => Ok(Segment::Any),
            "**" => Err(PathPatternError::OpenWithin),
            other if other.contains('*') => Err(PathPatternError::Partial),
            other => Ok(Segment::This(other.to_owned())),
        });
        Ok(Self { segments: segments.collect::<Result<_, _>>()?, open })
    }

    /// Whether a path is meant.
    pub fn fits(&self, path: &RequestPath) -> bool {
        let found = path.segments();
        let is_long_enough = if self.open {
            found.len() >= self.segments.len()
        } else {
            found.len() == self.segments.len()
        };
        is_long_enough && self.segments.iter().zip(found).all(|(wanted, found)| wanted.fits(found))
    }
}

impl Segment {
    fn fits(&self, found: &str) -> bool {
        match self {
            Self::This(wanted) => wanted == found,
            Self::Any => !found.is_empty(),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::This(text) => write!(f, "/{text}")?,
                Segment::Any => f.write_str("/*")?,
            }
        }
        if self.open { f.write_str("/**") } else { Ok(()) }
    }
}

impl<'de> Deserialize<'de> for PathPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).map_err(|error| de::Error::custom(format_args!("\"{text}\": {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_segments() {
        for (pattern, fitting, others) in [
            ("/", &["/"][..], &["/a"][..]),
            ("/a", &["/a", "/%61"], &["/", "/a/", "/a/b", "/A", "/ab"]),
            ("/a/", &["/a/"], &["/a", "/a/b"]),
            ("/a/*", &["/a/b", "/a/b.c"], &["/a", "/a/", "/a/b/", "/a/b/c"]),
            ("/a/*/c", &["/a/b/c"], &["/a//c".trim_end_matches("//c"), "/a/b", "/a/b/c/d"]),
            ("/a/**", &["/a", "/a/", "/a/b", "/a/b/c/"], &["/", "/b", "/ab"]),
            ("/**", &["/", "/a", "/a/b/"], &[]),
            ("/*/**", &["/a", "/a/"], &["/"]),
        ] {
            let read = PathPattern::read(pattern).unwrap();
            assert_eq!(read.to_string(), pattern);
            let fits = |path: &&&str| read.fits(&RequestPath::read(path).unwrap());
            assert_eq!(fitting.iter().filter(fits).count(), fitting.len(), "{pattern}");
            assert_eq!(others.iter().filter(fits).count(), 0, "{pattern}");
        }
    }
}

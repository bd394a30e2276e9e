//! The path of a request, read as the service behind a gateway will read it.

use percent_encoding::percent_decode_str;

/// A path in segments, percent-decoded once (RFC 3986 section 2.4).
///
/// Rules must see the path that the service sees. Gateways and services differ in what
/// they do with some paths, so what one may take for another path is none at all: dot
/// segments, encoded slashes, backslashes, empty segments within, path parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath {
    /// Without the slashes; a slash at the end leaves an empty last one.
    segments: Vec<String>,
}

/// A path that services read in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousPath {
    /// It is not the absolute path that a target begins with (RFC 9112 section 3.2.1).
    #[error("it does not begin with `/`")]
    NotAbsolute,
    /// `.` or `..`, encoded or not, which some remove (RFC 3986 section 5.2.4).
    #[error("it has a dot segment")]
    DotSegment,
    /// `//`, which some merge.
    #[error("it has an empty segment")]
    EmptySegment,
    /// `%2F`, `\` or `%5C`, which some take for a slash.
    #[error("it has an encoded slash or a backslash")]
    Slash,
    /// `;`, after which some see parameters of the segment.
    #[error("it has a `;`")]
    Parameter,
    /// A control character, a `#`, no UTF-8, or a `%` that encodes nothing.
    #[error("it has a character that no path has, or a `%` that encodes none")]
    Malformed,
}

impl RequestPath {
    /// Reads the path of a request target, which may have a query.
    ///
    /// # Errors
    /// [`AmbiguousPath`] if services may differ in what they take it for.
    pub fn read(target: &str) -> Result<Self, AmbiguousPath> {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let relative = path.strip_prefix('/').ok_or(AmbiguousPath::NotAbsolute)?;
        let segments = relative.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        let within = segments.len().saturating_sub(1);
        if segments[..within].iter().any(String::is_empty) {
            return Err(AmbiguousPath::EmptySegment);
        }
        Ok(Self { segments })
    }

    pub(super) fn segments(&self) -> &[String] {
        &self.segments
    }
}

fn segment(encoded: &str) -> Result<String, AmbiguousPath> {
    let mut rest = encoded;
    while let Some((_, after)) = rest.split_once('%') {
        let is_encoded = after.len() >= 2 && after.bytes().take(2).all(|b| b.is_ascii_hexdigit());
        if !is_encoded {
            return Err(AmbiguousPath::Malformed);
        }
        rest = &after[2..];
    }
    let decoded =
        percent_decode_str(encoded).decode_utf8().map_err(|_| AmbiguousPath::Malformed)?;
    if decoded == "." || decoded == ".." {
        return Err(AmbiguousPath::DotSegment);
    }
    for character in decoded.chars() {
        match character {
            '/' | '\\' => return Err(AmbiguousPath::Slash),
            ';' => return Err(AmbiguousPath::Parameter),
            '#' => return Err(AmbiguousPath::Malformed),
            other if other.is_control() => return Err(AmbiguousPath::Malformed),
            _ => {}
        }
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        for (target, segments) in [
            ("/", &[""][..]),
            ("/a/b", &["a", "b"]),
            ("/a/b/", &["a", "b", ""]),
            ("/%61dmin?x=%2F..;", &["admin"]),
            ("/%2561", &["%61"]),
            ("/gr%C3%BC/a.b/...", &["grü", "a.b", "..."]),
        ] {
            assert_eq!(RequestPath::read(target).unwrap().segments, segments, "{target}");
        }
    }

    #[test]
    fn what_services_differ_in_is_refused() {
        use AmbiguousPath::*;
        for (target, expected) in [
            ("", NotAbsolute),
            ("*", NotAbsolute),
            ("http://a.example/b", NotAbsolute),
            ("?/a", NotAbsolute),
            ("/a/./b", DotSegment),
            ("/..", DotSegment),
            ("/a/%2e%2E/b", DotSegment),
            ("/a/.%2e", DotSegment),
            ("//a", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a//", EmptySegment),
            ("/a%2fb", Slash),
            ("/a%5Cb", Slash),
            ("/a\\b", Slash),
            ("/a;x/b", Parameter),
            ("/a%3Bx", Parameter),
            ("/a#b", Malformed),
            ("/a%00", Malformed),
            ("/a%ff", Malformed),
            ("/a%4", Malformed),
            ("/a%zz", Malformed),
            ("/a%é", Malformed),
        ] {
            assert_eq!(RequestPath::read(target), Err(expected), "{target}");
        }
    }
}

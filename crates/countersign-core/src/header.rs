//! The grammar of the `Authorization` header (RFC 9110 section 11.4).
//!
//! A token is spelled `JWT <token>`, or as a parameter, `JWT token="<token>"`, with or
//! without quotes and among other `name=value` parameters.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::refusal::Reason;

/// The longest `Authorization` value that is read, in bytes.
pub const MAX_AUTHORIZATION_BYTES: usize = crate::jws::MAX_TOKEN_BYTES + 1024;

/// How a header carries its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// `JWT <token>`: what nearly everyone sends (RFC 6750 section 2.1).
    Bare,
    /// `JWT token=<token>`.
    Parameter,
    /// `JWT token="<token>"`: what `pyramid_jwtauth` makes, and the one that it takes.
    Quoted,
}

impl Spelling {
    /// Every spelling.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Parameter, Self::Quoted];

    /// The value of an `Authorization` header that carries a token so.
    ///
    /// ```
    /// use countersign_core::header::Spelling;
    ///
    /// assert_eq!(Spelling::Bare.value("Bearer", "ey.ey.sig"), "Bearer ey.ey.sig");
    /// assert_eq!(Spelling::Quoted.value("JWT", "ey.ey.sig"), r#"JWT token="ey.ey.sig""#);
    /// ```
    pub fn value(self, scheme: &str, token: &str) -> String {
        match self {
            Self::Bare => format!("{scheme} {token}"),
            Self::Parameter => format!("{scheme} token={token}"),
            Self::Quoted => format!("{scheme} token=\"{token}\""),
        }
    }
}

/// A token as a header carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The token. Whether it is one is seen when it is read.
    pub token: Cow<'a, str>,
    /// How it was written.
    pub spelling: Spelling,
}

/// The token that the one `Authorization` header carries under a scheme.
///
/// # Errors
/// A [`Reason`] if there is no header, more than one, one of another scheme, or
/// one that does not follow the grammar.
pub fn token<'a>(headers: &'a HeaderMap, scheme: &str) -> Result<Cow<'a, str>, Reason> {
    shown(headers, scheme).map(|shown| shown.token)
}

/// The same, and how it is spelled.
///
/// # Errors
/// As [`token`].
pub fn shown<'a>(headers: &'a HeaderMap, scheme: &str) -> Result<Shown<'a>, Reason> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Reason::HeaderMissing)?;
    if values.next().is_some() {
        return Err(Reason::HeaderRepeated);
    }
    let value = std::str::from_utf8(value.as_bytes()).map_err(|_| Reason::HeaderMalformed)?;
    shown_in_value(value, scheme)
}

/// The token in the value of an `Authorization` header.
///
/// # Errors
/// A [`Reason`] if the value is of another scheme or malformed.
pub fn token_in_value<'a>(value: &'a str, scheme: &str) -> Result<Cow<'a, str>, Reason> {
    shown_in_value(value, scheme).map(|shown| shown.token)
}

fn shown_in_value<'a>(value: &'a str, scheme: &str) -> Result<Shown<'a>, Reason> {
    if value.len() > MAX_AUTHORIZATION_BYTES {
        return Err(Reason::TokenTooLong);
    }
    let value = value.trim_matches(is_blank);
    let (found, credentials) = value.split_once(is_blank).unwrap_or((value, ""));
    if !found.eq_ignore_ascii_case(scheme) {
        return Err(Reason::SchemeOther);
    }
    let credentials = credentials.trim_start_matches(is_blank);
    if credentials.is_empty() {
        return Err(Reason::HeaderMalformed);
    }
    let bytes = credentials.as_bytes();
    if memchr::memchr3(b'=', b',', b'"', bytes).or(memchr::memchr2(b' ', b'\t', bytes)).is_none() {
        return Ok(Shown { token: Cow::Borrowed(credentials), spelling: Spelling::Bare });
    }
    token_parameter(credentials)
}

/// Finds the one `token` among comma-separated `name=value` parameters.
///
/// Whatever is not such a list is refused, above all a second scheme after a
/// comma, which is how an intermediary joins two Authorization headers.
fn token_parameter(list: &str) -> Result<Shown<'_>, Reason> {
    let mut token = None;
    let mut rest = list;
    loop {
        let (name, after_name) = take_name(rest)?;
        let after_equals = after_name
            .trim_start_matches(is_blank)
            .strip_prefix('=')
            .ok_or(Reason::HeaderMalformed)?
            .trim_start_matches(is_blank);
        let (value, after_value) = take_value(after_equals)?;
        let quoted = after_equals.starts_with('"');
        let spelling = if quoted { Spelling::Quoted } else { Spelling::Parameter };
        let shown = Shown { token: value, spelling };
        if name.eq_ignore_ascii_case("token") && token.replace(shown).is_some() {
            return Err(Reason::HeaderMalformed);
        }
        rest = match after_value.trim_start_matches(is_blank).strip_prefix(',') {
            Some(next) => next.trim_start_matches(is_blank),
            None if after_value.trim_matches(is_blank).is_empty() => break,
            None => return Err(Reason::HeaderMalformed),
        };
    }
    token.filter(|shown| !shown.token.is_empty()).ok_or(Reason::HeaderMalformed)
}

fn take_name(text: &str) -> Result<(&str, &str), Reason> {
    let end = text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len());
    if end == 0 {
        return Err(Reason::HeaderMalformed);
    }
    Ok(text.split_at(end))
}

/// A token or a quoted string (RFC 9110 sections 5.6.2 and 5.6.4).
fn take_value(text: &str) -> Result<(Cow<'_, str>, &str), Reason> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = take_name(text)?;
        return Ok((Cow::Borrowed(value), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                let plain = &quoted[..at];
                let rest = &quoted[at + 1..];
                let borrowed = plain.len() == value.len();
                return Ok((if borrowed { Cow::Borrowed(plain) } else { value.into() }, rest));
            }
            '\\' => value.push(characters.next().ok_or(Reason::HeaderMalformed)?.1),
            other => value.push(other),
        }
    }
    Err(Reason::HeaderMalformed)
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> Result<Cow<'_, str>, Reason> {
        token_in_value(value, "JWT")
    }

    #[test]
    fn each_spelling_carries_the_token() {
        for (value, spelling) in [
            ("JWT a.b.c", Spelling::Bare),
            ("jwt a.b.c", Spelling::Bare),
            ("JwT  \t a.b.c", Spelling::Bare),
            ("  JWT a.b.c  ", Spelling::Bare),
            (r#"JWT token="a.b.c""#, Spelling::Quoted),
            ("JWT token=a.b.c", Spelling::Parameter),
            (r#"JWT token=a.b.c, realm="x""#, Spelling::Parameter),
            (r#"JWT realm="x, y", token = "a.b.c" , other=1"#, Spelling::Quoted),
            (r#"JWT TOKEN="a.b\.c""#, Spelling::Quoted),
        ] {
            let expected = Shown { token: Cow::Borrowed("a.b.c"), spelling };
            assert_eq!(shown_in_value(value, "JWT"), Ok(expected), "{value}");
        }
    }

    #[test]
    fn whatever_is_ambiguous_is_refused() {
        for value in [
            "JWT",
            "JWT ",
            "JWT a.b.c, JWT d.e.f",
            "JWT a.b.c,Bearer x",
            "JWT a.b.c x",
            r#"JWT token="a", token="b""#,
            r#"JWT token="a", JWT token="b""#,
            r#"JWT token="a", Bearer b"#,
            r#"JWT token="a"#,
            r#"JWT token="a\"#,
            r#"JWT token="""#,
            "JWT token=",
            "JWT =a",
            "JWT realm=x",
            "JWT token=a,",
            "JWT token=a,,b=c",
            "JWT a=",
        ] {
            assert_eq!(read(value), Err(Reason::HeaderMalformed), "{value}");
        }
        assert_eq!(read("Bearer a.b.c"), Err(Reason::SchemeOther));
        assert_eq!(read("JWTa.b.c"), Err(Reason::SchemeOther));
        assert_eq!(read(""), Err(Reason::SchemeOther));
    }

    #[test]
    fn a_header_stands_alone() {
        let mut headers = HeaderMap::new();
        assert_eq!(token(&headers, "JWT"), Err(Reason::HeaderMissing));
        headers.append(AUTHORIZATION, "JWT a.b.c".parse().unwrap());
        assert_eq!(token(&headers, "JWT").as_deref(), Ok("a.b.c"));
        headers.append(AUTHORIZATION, "JWT a.b.c".parse().unwrap());
        assert_eq!(token(&headers, "JWT"), Err(Reason::HeaderRepeated));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(value in "\\PC{0,200}") {
            let _ = read(&value);
        }

        #[test]
        fn a_token_survives_both_spellings(
            token in "[A-Za-z0-9_.-]{1,80}",
            blanks in "[ \t]{1,4}",
            name in "[a-z]{1,3}",
        ) {
            let bare = format!("JWT{blanks}{token}");
            prop_assert_eq!(read(&bare), Ok(Cow::Borrowed(token.as_str())));
            let quoted = format!("JWT{blanks}{name}=1{blanks},{blanks}token{blanks}={blanks}\"{token}\"");
            prop_assert_eq!(read(&quoted), Ok(Cow::Borrowed(token.as_str())));
        }

        #[test]
        fn a_joined_second_scheme_is_always_refused(
            first in "[A-Za-z0-9_.-]{1,20}",
            scheme in "[A-Za-z]{1,8}",
            second in "[A-Za-z0-9_.-]{1,20}",
        ) {
            let bare = format!("JWT {first}, {scheme} {second}");
            prop_assert!(read(&bare).is_err());
            let quoted = format!("JWT token=\"{first}\", {scheme} {second}");
            prop_assert!(read(&quoted).is_err());
        }
    }
}

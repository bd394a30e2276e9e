//! Finding the token in what a person pasted.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::failure::Failure;
use crate::files;

const EXPECTED: &str =
    "expected three parts joined by dots, as in `eyJ...` or `Authorization: JWT eyJ...`";

/// The token itself: from the argument, or from standard input where there is
/// none or it is `-`; with or without the header around it.
pub(super) fn token(argument: Option<&str>) -> Result<String, Failure> {
    let text = match argument {
        Some(text) if text != "-" => text.to_owned(),
        _ => files::read_text(Path::new("-"))?.to_string(),
    };
    Ok(bare(&text).to_owned())
}

/// Takes `Authorization:`, the scheme and `token="..."` away.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let value = match text.split_once(':') {
        Some((name, value)) if name.eq_ignore_ascii_case("authorization") => value.trim(),
        _ => text,
    };
    let credentials = value.rsplit_once([' ', '\t']).map_or(value, |(_, last)| last);
    let parameter = credentials.strip_prefix("token=").unwrap_or(credentials);
    parameter.trim_matches(['"', ','])
}

/// The JSON of a token's header and claims.
pub(super) fn parts(token: &str) -> Result<(Value, Value), Failure> {
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, _signature] = *parts else {
        return Err(Failure::usage(format_args!(
            "found a text of {} parts: {EXPECTED}",
            parts.len()
        )));
    };
    Ok((json("header", header)?, json("claims", claims)?))
}

fn json(name: &str, part: &str) -> Result<Value, Failure> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|error| {
        Failure::usage(format_args!("the token's {name} is no base64url ({error}): {EXPECTED}"))
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::usage(format_args!("the token's {name} is no JSON ({error}): {EXPECTED}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_in_a_whole_header_line() {
        for text in [
            "a.b.c",
            " a.b.c\n",
            "JWT a.b.c",
            "jwt \t a.b.c",
            "Authorization: JWT a.b.c\r\n",
            "authorization: JWT token=\"a.b.c\"",
            "JWT realm=\"x\", token=a.b.c",
        ] {
            assert_eq!(bare(text), "a.b.c", "{text}");
        }
    }

    #[test]
    fn what_is_no_token_is_named() {
        let refused = parts("a.b").unwrap_err();
        assert!(refused.to_string().contains("2 parts"), "{refused}");
        let refused = parts("e30.*.c").unwrap_err();
        assert!(refused.to_string().contains("claims is no base64url"), "{refused}");
        let refused = parts("e30.AAAA.c").unwrap_err();
        assert!(refused.to_string().contains("claims is no JSON"), "{refused}");
    }
}

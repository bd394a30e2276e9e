//! The `Authorization` header: a token that was found is found again in each
//! spelling that can carry it.

#![no_main]

use countersign_core::header::token_in_value;
use countersign_fuzz::{fuzz_with_seeds, seeds};
use libfuzzer_sys::fuzz_target;

fuzz_with_seeds!(seeds::headers());

fuzz_target!(|data: &[u8]| {
    let Ok(value) = std::str::from_utf8(data) else { return };
    let Ok(token) = token_in_value(value, "JWT") else { return };
    assert!(!token.is_empty());
    let word = value.trim_start_matches([' ', '\t']).get(..3).expect("the scheme");
    assert!(word.eq_ignore_ascii_case("jwt"));
    let escaped = token.replace('\\', "\\\\").replace('"', "\\\"");
    let quoted = format!("JWT token=\"{escaped}\"");
    assert_eq!(token_in_value(&quoted, "jwt").expect("quoted"), token);
    assert!(token_in_value(value, "Bearer").is_err());
});

//! The form of tokens, as properties: one spelling of each part, each member
//! once, and each claim of the type that the wire format says.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use countersign_core::{AccountName, Reason, UnverifiedToken};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

const HEADER: &str = r#"{"alg":"EdDSA"}"#;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn token(header: &str, payload: &str, signature: &[u8]) -> String {
    format!("{}.{}.{}", encode(header), encode(payload), encode(signature))
}

fn parse(token: &str) -> Result<(), Reason> {
    UnverifiedToken::parse(token).map(drop)
}

fn good_claims() -> Map<String, Value> {
    let claims = json!({"username": "alice", "time": 1_795_385_494, "nonce": "n"});
    claims.as_object().unwrap().clone()
}

/// Writes an object from members as they stand, so that one can stand twice.
fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn members(object: &Map<String, Value>) -> Vec<(String, String)> {
    object.iter().map(|(name, value)| (json!(name).to_string(), value.to_string())).collect()
}

/// The same text in JSON with every character escaped.
fn escaped(text: &str) -> String {
    let units: Vec<_> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{}\"", units.concat())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e3..1e3_f64).prop_map(Value::from),
        select(vec![json!(0), json!(-0.0), json!(1), json!(1_795_385_494)]),
        "\\PC{0,12}".prop_map(Value::from),
        select(vec![json!(""), json!("a"), json!("n".repeat(256)), json!("n".repeat(257))]),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What the wire format says of each claim, written down a second time.
fn is_allowed(claim: &str, value: &Value) -> bool {
    let is_text = |value: &Value| value.is_string();
    match claim {
        "username" => value.as_str().is_some_and(|name| AccountName::new(name).is_ok()),
        "time" => value.as_f64().is_some_and(|time| time > 0.0 && time < 1e12),
        "nonce" => match value {
            Value::String(text) => (1..=256).contains(&text.len()),
            Value::Number(number) => number.as_f64() != Some(0.0),
            _ => false,
        },
        "exp" | "nbf" | "iat" => value.is_number(),
        "iss" | "sub" | "jti" => is_text(value),
        "aud" => is_text(value) || value.as_array().is_some_and(|all| all.iter().all(is_text)),
        _ => true,
    }
}

const CLAIMS: [&str; 12] =
    ["username", "time", "nonce", "exp", "nbf", "iat", "iss", "sub", "jti", "aud", "htm", "other"];

proptest! {
    #[test]
    fn a_claim_has_the_type_that_the_wire_format_says(
        claim in select(CLAIMS.to_vec()),
        value in json_value(),
    ) {
        let mut claims = good_claims();
        claims.insert(claim.to_owned(), value.clone());
        let read = parse(&token(HEADER, &Value::Object(claims).to_string(), b"signature"));
        prop_assert_eq!(read.is_ok(), is_allowed(claim, &value), "{}: {} {:?}", claim, value, read);
    }

    #[test]
    fn a_payload_that_is_no_object_is_refused(value in json_value()) {
        prop_assume!(!value.is_object());
        let read = parse(&token(HEADER, &value.to_string(), b"signature"));
        prop_assert_eq!(read, Err(Reason::ClaimsMalformed));
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_wherever_it_stands(
        in_header in any::<bool>(),
        names in prop::collection::btree_set("[a-z]{2,6}", 1..5),
        twice in any::<Index>(),
        place in any::<Index>(),
        escape in any::<bool>(),
        same_value in any::<bool>(),
    ) {
        let mut object_once = if in_header {
            json!({"alg": "EdDSA", "kid": "k"}).as_object().unwrap().clone()
        } else {
            good_claims()
        };
        for name in names.iter().filter(|name| !["alg", "kid", "crit", "b64"].contains(&&***name)) {
            if !CLAIMS.contains(&&**name) {
                object_once.insert(name.clone(), json!(1));
            }
        }
        let once = members(&object_once);
        let mut doubled = once.clone();
        let (name, value) = twice.get(&once).clone();
        let plain: String = serde_json::from_str(&name).unwrap();
        let name = if escape { escaped(&plain) } else { name };
        let value = if same_value { value } else { "null".to_owned() };
        doubled.insert(place.index(doubled.len() + 1), (name, value));

        let token_with = |members: &[(String, String)]| {
            let (object, claims) = (object(members), Value::Object(good_claims()).to_string());
            if in_header { token(&object, &claims, b"s") } else { token(HEADER, &object, b"s") }
        };
        prop_assert_eq!(parse(&token_with(&once)), Ok(()));
        let expected = if in_header { Reason::TokenMalformed } else { Reason::ClaimsMalformed };
        prop_assert_eq!(parse(&token_with(&doubled)), Err(expected));
    }

    /// Two texts for one token would be two keys in any cache or log, and the
    /// original's servers take both.
    #[test]
    fn each_part_has_one_spelling(
        filler in "[a-z]{0,3}",
        signature in prop::collection::vec(any::<u8>(), 1..70),
        part in 0..3_usize,
    ) {
        let header = format!(r#"{{"alg":"EdDSA","x":"{filler}"}}"#);
        let mut claims = good_claims();
        claims.insert("x".into(), filler.into());
        let good = token(&header, &Value::Object(claims).to_string(), &signature);
        prop_assert_eq!(parse(&good), Ok(()));

        let parts: Vec<&str> = good.split('.').collect();
        let with = |spelling: String| {
            let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            parts[part] = spelling;
            parts.join(".")
        };
        for spelling in other_spellings(parts[part]) {
            prop_assert_eq!(parse(&with(spelling.clone())), Err(Reason::TokenMalformed), "{}", spelling);
        }
    }
}

/// What a lenient decoder reads as the same bytes.
fn other_spellings(part: &str) -> Vec<String> {
    let lenient = GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
    let (rest, _) = part.split_at(part.len() - 1);
    let mut spellings: Vec<String> = alphabet::URL_SAFE
        .as_str()
        .chars()
        .map(|last| format!("{rest}{last}"))
        .filter(|other| other != part && lenient.decode(other).as_ref() == Ok(&bytes))
        .collect();
    // Four bits are left over by one byte, two by two.
    let expected = [0, 15, 3][bytes.len() % 3];
    assert_eq!(spellings.len(), expected, "{part}");
    spellings.extend(["=", "==", "\n", " ", "\r\n"].map(|end| format!("{part}{end}")));
    spellings.push(format!(" {part}"));
    if part.contains(['-', '_']) {
        spellings.push(part.replace('-', "+").replace('_', "/"));
    }
    spellings
}

//! The claims, one by one.

use countersign_core::Reason;
use countersign_vectors::Topic;

use crate::forge::{Forge, NOW, accept, case, claims, claims_and, jwt, refuse, topic};
use crate::rows;

pub(crate) fn payload(f: &Forge) -> Topic {
    let twice = r#"{"username":"alice","time":1795385494,"nonce":"a","nonce":"b"}"#;
    let escaped = r#"{"username":"alice","time":1795385494,"nonce":"a","\u006eonce":"b"}"#;
    let many = claims_and(
        "payload-with-65-members",
        &(0..62).map(|at| format!(r#""m{at}":0"#)).collect::<Vec<_>>().join(","),
    );
    let cases = [
        ("payload-list", "[]"),
        ("payload-string", "\"alice\""),
        ("payload-number", "1"),
        ("payload-null", "null"),
        ("payload-empty", ""),
        ("payload-not-json", "username=alice"),
        ("payload-cut-short", r#"{"username":"alice""#),
        ("payload-two-objects", r#"{"username":"alice","time":1795385494,"nonce":"p"}{}"#),
        ("payload-member-twice", twice),
        ("payload-member-twice-once-escaped", escaped),
        ("payload-with-65-members", many.as_str()),
    ];
    let refused = |(name, payload): (&str, &str)| {
        case(name, rows::PAYLOAD, f.alice(payload), refuse(Reason::ClaimsMalformed))
    };
    topic("payload", "The payload is one JSON object.", cases.into_iter().map(refused).collect())
}

pub(crate) fn time(f: &Forge) -> Topic {
    let with = |time: &str, name: &str| {
        f.alice(&format!(r#"{{"username":"alice","time":{time},"nonce":"{name}"}}"#))
    };
    let mut cases = Vec::new();
    for (name, row, time) in [
        ("window-now", rows::WINDOW, "1795385494"),
        ("window-lower-edge", rows::WINDOW, "1795385474"),
        ("window-upper-edge", rows::WINDOW, "1795385514"),
        ("window-a-nanosecond-inside-the-lower-edge", rows::WINDOW, "1795385474.000000001"),
        ("window-a-nanosecond-inside-the-upper-edge", rows::WINDOW, "1795385513.999999999"),
        ("time-float", rows::TIME_SPELLING, "1795385494.123456"),
        ("time-float-without-fraction", rows::TIME_SPELLING, "1795385494.0"),
        ("time-with-exponent-0", rows::TIME_SPELLING, "1795385494e0"),
        ("time-with-exponent-9", rows::TIME_SPELLING, "1.795385494E+9"),
        ("time-with-negative-exponent", rows::TIME_SPELLING, "17953854940e-1"),
    ] {
        cases.push(case(name, row, with(time, name), accept("alice")));
    }
    for (name, time) in [
        ("window-a-second-too-old", "1795385473"),
        ("window-a-second-too-new", "1795385515"),
        ("window-a-microsecond-too-old", "1795385473.999999"),
        ("window-a-nanosecond-too-old", "1795385473.999999999"),
        ("window-a-nanosecond-too-new", "1795385514.000000001"),
    ] {
        let refused = refuse(Reason::OutsideWindow);
        cases.push(case(name, rows::WINDOW, with(time, name), refused));
    }
    let digits = "9".repeat(4300);
    for (name, row, time) in [
        ("time-zero", rows::TIME_IMPOSSIBLE, "0"),
        ("time-zero-float", rows::TIME_IMPOSSIBLE, "-0.0"),
        ("time-null", rows::TIME_IMPOSSIBLE, "null"),
        ("time-true", rows::TIME_IMPOSSIBLE, "true"),
        ("time-object", rows::TIME_IMPOSSIBLE, "{}"),
        ("time-negative", rows::TIME_IMPOSSIBLE, "-1795385494"),
        ("time-in-milliseconds", rows::TIME_IMPOSSIBLE, "1795385494000"),
        ("time-huge", rows::TIME_IMPOSSIBLE, "1e300"),
        ("time-beyond-every-float", rows::TIME_IMPOSSIBLE, "1e400"),
        ("time-string", rows::TIME_OTHER_TYPE, "\"1795385494\""),
        ("time-list", rows::TIME_OTHER_TYPE, "[1795385494]"),
        ("time-integer-of-4300-digits", rows::TIME_OTHER_TYPE, digits.as_str()),
    ] {
        cases.push(case(name, row, with(time, name), refuse(Reason::TimeMalformed)));
    }
    let name = "time-missing";
    let value = f.alice(&format!(r#"{{"username":"alice","nonce":"{name}"}}"#));
    cases.push(case(name, rows::TIME_IMPOSSIBLE, value, refuse(Reason::TimeMalformed)));
    // These are no JSON, though some writers write them and some readers read them.
    for (name, row, time) in [
        ("time-infinity", rows::TIME_IMPOSSIBLE, "Infinity"),
        ("time-negative-infinity", rows::TIME_IMPOSSIBLE, "-Infinity"),
        ("time-nan", rows::TIME_NAN, "NaN"),
        ("time-with-leading-zero", rows::TIME_SPELLING, "01795385494"),
        ("time-with-plus-sign", rows::TIME_SPELLING, "+1795385494"),
    ] {
        cases.push(case(name, row, with(time, name), refuse(Reason::ClaimsMalformed)));
    }
    topic("claims-time", "`time`: its spelling and its window of 20 s either way.", cases)
}

pub(crate) fn nonce(f: &Forge) -> Topic {
    let with =
        |nonce: &str| f.alice(&format!(r#"{{"username":"alice","time":{NOW},"nonce":{nonce}}}"#));
    let text = |length: usize| format!("\"{}\"", "n".repeat(length));
    let (longest, too_long) = (text(256), text(257));
    let mut cases = Vec::new();
    for (name, nonce) in [
        ("nonce-string", r#""nonce-string""#),
        ("nonce-string-of-256-bytes", longest.as_str()),
        ("nonce-string-not-ascii", r#""nönce \ud83d\ude00""#),
        ("nonce-integer", "71"),
        ("nonce-float", "0.7310585786300049"),
        ("nonce-negative", "-71"),
        ("nonce-tiny", "5e-324"),
    ] {
        cases.push(case(name, rows::NONCE, with(nonce), accept("alice")));
    }
    for (name, row, nonce) in [
        ("nonce-true", rows::NONCE, "true"),
        ("nonce-string-of-257-bytes", rows::NONCE, too_long.as_str()),
        ("nonce-lone-surrogate", rows::NONCE, r#""\ud800""#),
        ("nonce-null", rows::NONCE_EMPTY, "null"),
        ("nonce-empty-string", rows::NONCE_EMPTY, "\"\""),
        ("nonce-zero", rows::NONCE_EMPTY, "0"),
        ("nonce-zero-float", rows::NONCE_EMPTY, "0.0"),
        ("nonce-false", rows::NONCE_EMPTY, "false"),
        ("nonce-empty-list", rows::NONCE_EMPTY, "[]"),
        ("nonce-list", rows::NONCE_OTHER_TYPE, "[1]"),
        ("nonce-object", rows::NONCE_OTHER_TYPE, r#"{"a":1}"#),
    ] {
        cases.push(case(name, row, with(nonce), refuse(Reason::NonceMalformed)));
    }
    let value = f.alice(&format!(r#"{{"username":"alice","time":{NOW}}}"#));
    let refused = refuse(Reason::NonceMalformed);
    cases.push(case("nonce-missing", rows::NONCE_EMPTY, value, refused));
    topic("claims-nonce", "`nonce`: a string or a number, never empty.", cases)
}

pub(crate) fn username(f: &Forge) -> Topic {
    let row = rows::USERNAME;
    let with = |username: &str, name: &str| {
        f.alice(&format!(r#"{{"username":{username},"time":{NOW},"nonce":"{name}"}}"#))
    };
    let mut cases = Vec::new();
    let longest = "n".repeat(255);
    for (name, account, key) in [
        ("username-not-ascii", "Gerät 7 für 東京", "ed25519-l"),
        ("username-of-255-bytes", longest.as_str(), "ed25519-m"),
    ] {
        let value = jwt(&f.signed(key, &claims(account, name)));
        cases.push(case(name, row, value, accept(account)));
    }
    let name = "username-escaped-is-the-same-name";
    cases.push(case(name, row, with(r#""\u0061lice""#, name), accept("alice")));
    let too_long = format!("\"{}\"", "n".repeat(256));
    for (name, username) in [
        ("username-null", "null"),
        ("username-empty", "\"\""),
        ("username-number", "1"),
        ("username-true", "true"),
        ("username-list", r#"["alice"]"#),
        ("username-object", r#"{"name":"alice"}"#),
        ("username-lone-surrogate", r#""\ud800""#),
        ("username-with-nul", r#""alice\u0000""#),
        ("username-with-newline", r#""alice\nbob""#),
        ("username-with-text-direction-override", r#""ecila\u202e""#),
        ("username-with-outer-blank", "\" alice\""),
        ("username-of-256-bytes", too_long.as_str()),
    ] {
        let refused = refuse(Reason::UsernameMalformed);
        cases.push(case(name, row, with(username, name), refused));
    }
    let name = "username-missing";
    let value = f.alice(&format!(r#"{{"time":{NOW},"nonce":"{name}"}}"#));
    cases.push(case(name, row, value, refuse(Reason::UsernameMalformed)));
    topic("claims-username", "`username`: the account's name.", cases)
}

pub(crate) fn registered(f: &Forge) -> Topic {
    let with = |more: &str, name: &str| f.alice(&claims_and(name, more));
    let mut cases = Vec::new();
    for (name, more) in [
        ("exp-future", r#""exp":1795385495"#),
        ("exp-a-nanosecond-ahead", r#""exp":1795385494.000000001"#),
        ("nbf-now", r#""nbf":1795385494"#),
        ("iat-now", r#""iat":1795385494"#),
        ("iss-sub-jti", r#""iss":"a","sub":"b","jti":"c""#),
        ("extra-claims", r#""role":"x","deep":{"a":[1,{"b":null}]}"#),
    ] {
        cases.push(case(name, rows::REGISTERED_GOOD, with(more, name), accept("alice")));
    }
    for (name, reason, more) in [
        ("exp-past", Reason::Expired, r#""exp":1795385493"#),
        ("exp-now", Reason::Expired, r#""exp":1795385494"#),
        ("exp-negative", Reason::Expired, r#""exp":-1"#),
        ("nbf-future", Reason::NotYetValid, r#""nbf":1795385495"#),
        ("nbf-a-nanosecond-ahead", Reason::NotYetValid, r#""nbf":1795385494.000000001"#),
        ("nbf-beyond-every-float", Reason::NotYetValid, r#""nbf":1e400"#),
        ("iat-future", Reason::IssuedInTheFuture, r#""iat":1795385495"#),
        ("exp-string", Reason::ClaimsMalformed, r#""exp":"1795385495""#),
        ("exp-null", Reason::ClaimsMalformed, r#""exp":null"#),
        ("nbf-list", Reason::ClaimsMalformed, r#""nbf":[]"#),
        ("iat-string", Reason::ClaimsMalformed, r#""iat":"now""#),
        ("iss-number", Reason::ClaimsMalformed, r#""iss":1"#),
        ("sub-number", Reason::ClaimsMalformed, r#""sub":1"#),
        ("jti-number", Reason::ClaimsMalformed, r#""jti":1"#),
        ("aud-number", Reason::ClaimsMalformed, r#""aud":1"#),
        ("aud-list-with-number", Reason::ClaimsMalformed, r#""aud":["a",1]"#),
    ] {
        cases.push(case(name, rows::REGISTERED_BAD, with(more, name), refuse(reason)));
    }
    let here = "https://service.example";
    let accepted = Ok(());
    let other = Err(Reason::AudienceOther);
    for (name, audiences, aud, expected) in [
        ("aud-where-none-is-configured", vec![], r#""https://service.example""#, other),
        ("aud-of-this-service", vec![here], r#""https://service.example""#, accepted),
        ("aud-list-with-this-service", vec![here], r#"["x","https://service.example"]"#, accepted),
        ("aud-of-another-service", vec![here], r#""https://other.example""#, other),
        ("aud-in-upper-case", vec![here], r#""HTTPS://SERVICE.EXAMPLE""#, other),
        ("aud-empty-list", vec![here], "[]", other),
    ] {
        let value = with(&format!(r#""aud":{aud}"#), name);
        let expected = expected.map_or_else(refuse, |()| accept("alice"));
        let mut case = case(name, rows::AUDIENCE, value, expected);
        case.audiences = audiences.into_iter().map(str::to_owned).collect();
        cases.push(case);
    }
    for (name, more, expected) in [
        ("required-aud-missing", r#""iss":"a""#, other),
        ("required-aud", r#""aud":"https://service.example""#, accepted),
        ("required-aud-list-of-one", r#""aud":["https://service.example"]"#, accepted),
        ("required-aud-and-another", r#""aud":["https://service.example","x"]"#, other),
        ("required-aud-of-another-service", r#""aud":"https://other.example""#, other),
        ("required-aud-empty-list", r#""aud":[]"#, other),
    ] {
        let expected = expected.map_or_else(refuse, |()| accept("alice"));
        let mut case = case(name, rows::AUDIENCE_REQUIRED, with(more, name), expected);
        (case.audiences, case.audience_required) = (vec![here.to_owned()], true);
        cases.push(case);
    }
    topic("claims-registered", "`exp`, `nbf`, `iat`, `aud` and the rest of RFC 7519.", cases)
}
